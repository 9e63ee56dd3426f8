//! The tail queues of BSD's `<sys/queue.h>`, as the public structs carry them.

/// The head of a tail queue: walk it with TAILQ_FOREACH.
#[repr(C)]
#[derive(Debug)]
pub struct tailq_head<T> {
    /// The first element, or NULL.
    pub tqh_first: *mut T,
    /// Where the pointer to the next appended element goes.
    pub tqh_last: *mut *mut T,
}

/// An element's links.
#[repr(C)]
#[derive(Debug)]
pub struct tailq_entry<T> {
    /// The next element, or NULL.
    pub tqe_next: *mut T,
    /// The pointer that points to this element.
    pub tqe_prev: *mut *mut T,
}

/// A struct that carries its links itself.
pub(super) trait Linked: Sized {
    /// Where `element`'s links are.
    ///
    /// # Safety
    /// `element` points to a live struct.
    unsafe fn links(element: *mut Self) -> *mut tailq_entry<Self>;
}

/// Makes an empty queue.
///
/// # Safety
/// `head` may be written.
pub(super) unsafe fn init<T>(head: *mut tailq_head<T>) {
    // SAFETY: the caller's promise.
    unsafe {
        (*head).tqh_first = std::ptr::null_mut();
        (*head).tqh_last = &raw mut (*head).tqh_first;
    }
}

/// Appends an element that is in no queue.
///
/// # Safety
/// `head` is an initialised queue, `element` a live struct; nobody else uses them meanwhile.
pub(super) unsafe fn append<T: Linked>(head: *mut tailq_head<T>, element: *mut T) {
    // SAFETY: the caller's promise; in a queue `tqh_last` points to the last `tqe_next` or to `tqh_first`.
    unsafe {
        let links = T::links(element);
        (*links).tqe_next = std::ptr::null_mut();
        (*links).tqe_prev = (*head).tqh_last;
        *(*head).tqh_last = element;
        (*head).tqh_last = &raw mut (*links).tqe_next;
    }
}

/// Takes out an element of this queue.
///
/// # Safety
/// As [`append`]; the element is in this queue.
pub(super) unsafe fn remove<T: Linked>(head: *mut tailq_head<T>, element: *mut T) {
    // SAFETY: the caller's promise; `tqe_prev` points to the pointer that points to the element.
    unsafe {
        let links = T::links(element);
        let next = (*links).tqe_next;
        if next.is_null() {
            (*head).tqh_last = (*links).tqe_prev;
        } else {
            (*T::links(next)).tqe_prev = (*links).tqe_prev;
        }
        *(*links).tqe_prev = next;
    }
}

/// The element behind `element`, or NULL.
///
/// # Safety
/// `element` is in a queue.
pub(super) unsafe fn next<T: Linked>(element: *mut T) -> *mut T {
    // SAFETY: the caller's promise.
    unsafe { (*T::links(element)).tqe_next }
}

/// Every element in order. The one that was just given may be freed or taken out by the caller.
///
/// # Safety
/// `head` is an initialised queue that nobody else changes while the iterator is used.
pub(super) unsafe fn iter<T: Linked>(head: *const tailq_head<T>) -> impl Iterator<Item = *mut T> {
    // SAFETY: the caller's promise.
    let mut element = unsafe { (*head).tqh_first };
    std::iter::from_fn(move || {
        let this = element;
        if this.is_null() {
            return None;
        }
        // SAFETY: as above.
        element = unsafe { next(this) };
        Some(this)
    })
}
