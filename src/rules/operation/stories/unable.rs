//! Keys that a server is not able to be asked about: not plain ones, where it has no meta commands.

use super::*;

const NO: Reply<'static> = Reply::Unsupported;

/// The operation ended as refused, and says why.
fn refused_with_reason(operation: &dyn Operation) {
    assert_eq!(operation.outcome(), Some(Outcome::Refused));
    let text = operation.refusal().expect("a reason");
    assert!(text.starts_with(b"the server has no meta commands"), "{}", text.escape_ascii());
}

#[test]
fn a_write_is_refused() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    story.asks(&mut write);
    story.answer(&mut write, 1, NO);
    story.answer(&mut write, 2, NO);
    assert_eq!(story.asks(&mut write), ["s1 delete", "s2 delete"]);
    story.answer(&mut write, 1, NO);
    story.answer(&mut write, 2, NO);
    refused_with_reason(&write);
}

#[test]
fn a_mirror_that_is_not_able_holds_nothing_old_either() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut write = Write::new(&key, 0, 0, b"v");
    story.asks(&mut write);
    story.answer(&mut write, 1, Reply::Stored);
    story.answer(&mut write, 2, NO);
    assert_eq!(story.asks(&mut write), ["s2 delete"]);
    story.answer(&mut write, 2, NO);
    assert_eq!(write.outcome(), Some(Outcome::Stored));

    let mut delete = Spread::delete(&key);
    story.asks(&mut delete);
    story.answer(&mut delete, 1, Reply::Deleted);
    story.answer(&mut delete, 2, NO);
    assert_eq!(delete.outcome(), Some(Outcome::Deleted));
}

#[test]
fn no_answer_is_no_miss() {
    let mut story = Story::new([STEADY; 4]);
    let mut one = One { key: key(&story), ..One::default() };
    let mut read = Read::new(&mut one);
    assert_eq!(story.asks(&mut read), ["s1 get"]);
    story.answer(&mut read, 1, NO);
    refused_with_reason(&read);
    assert_eq!(one.settled, [Err(Outcome::Refused)]);

    let (key, mut one) = (key(&story), One { key: key(&story), ..One::default() });
    let mut gat = GetAndTouch::new(&key, 9, &mut one);
    assert_eq!(story.asks(&mut gat), ["s1 gat 9"]);
    story.answer(&mut gat, 1, NO);
    refused_with_reason(&gat);
    assert_eq!(one.settled, [Err(Outcome::Refused)]);
}

#[test]
fn a_later_place_that_is_able_is_asked() {
    let mut story = Story::new([DOWN, STEADY, STEADY, STEADY]);
    for last in [value(b"v"), Reply::Miss] {
        let mut one = One { key: key(&story), ..One::default() };
        let mut read = Read::new(&mut one);
        assert_eq!(story.asks(&mut read), ["s3 get"]);
        story.answer(&mut read, 3, NO);
        assert_eq!(story.asks(&mut read), ["s2 get"]);
        story.answer(&mut read, 2, last);
        if last == Reply::Miss {
            assert_eq!(story.asks(&mut read), ["s3 get"]);
            story.answer(&mut read, 3, NO);
            refused_with_reason(&read);
        } else {
            assert_eq!(read.outcome(), Some(Outcome::Hit));
        }
    }
}

#[test]
fn what_acting_decides_is_refused() {
    let mut story = Story::with(Options::default(), [STEADY; 4]);
    let key = key(&story);
    let mut operations: [Box<dyn Operation + '_>; 6] = [
        Box::new(Spread::delete(&key)),
        Box::new(Spread::touch(&key, 9)),
        Box::new(Counter::new(Direction::Incr, &key, 1)),
        Box::new(Conditional::new(Verb::Add, &key, 0, 0, b"v")),
        Box::new(Conditional::new(Verb::Append, &key, 0, 0, b"v")),
        Box::new(Conditional::new(Verb::Cas(7 << 48 | 1), &key, 0, 0, b"v")),
    ];
    for operation in &mut operations {
        assert_eq!(story.asks(operation.as_mut()).len(), 1);
        story.answer(operation.as_mut(), 1, NO);
        assert!(story.asks(operation.as_mut()).is_empty());
        refused_with_reason(operation.as_ref());
    }
}

#[test]
fn nothing_can_be_brought_to_an_acting_that_is_not_able() {
    let mut story = Story::new([RETURNED, STEADY, STEADY, STEADY]);
    let key = key(&story);
    let mut add = Conditional::new(Verb::Add, &key, 0, 0, b"v");
    for expected in ["s1 fetch", "s1 fetch", "s3 fetch", "s2 fetch", "s1 add 0 v"] {
        assert_eq!(story.asks(&mut add), [expected]);
        let server = story.asked[0].0.0 + 1;
        story.answer(&mut add, server, if server == 1 { NO } else { Reply::Miss });
    }
    refused_with_reason(&add);
}

#[test]
fn a_mirror_that_is_not_able_does_not_count() {
    let mut story = Story::new([STEADY; 4]);
    let key = key(&story);
    let mut counter = Counter::new(Direction::Incr, &key, 3);
    assert_eq!(story.asks(&mut counter), ["s1 incr 3", "s2 incr 3"]);
    story.answer(&mut counter, 1, Reply::Number(10));
    story.answer(&mut counter, 2, NO);
    for (expected, server, reply) in
        [("s1 fetch", 1, value(b"10")), ("s2 set 60 10", 2, NO), ("s2 delete", 2, NO)]
    {
        assert_eq!(story.asks(&mut counter), [expected]);
        story.answer(&mut counter, server, reply);
    }
    assert_eq!(counter.outcome(), Some(Outcome::Number(10)));
}
