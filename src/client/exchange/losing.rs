//! A connection is gone, and with it what was asked over it.

use super::{Exchange, Lost, Witness};
use crate::client::connection::Loss;
use crate::rules::operation::{Failure, NO_MEMORY, Operation, Tag};
use crate::rules::time::Instant;
use crate::rules::wire::Reply;

impl Exchange {
    /// A connection is gone: its server's health hears of it first, then the operation.
    #[cold]
    pub(super) fn lose(
        &mut self,
        index: usize,
        loss: Loss,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        let mut lost = std::mem::take(&mut self.lost);
        let connection = &mut self.connections[index];
        let server = connection.server();
        connection.lose(&mut lost);
        let doubt = doubtful(operation, &lost);
        let waited = connection.parked();
        let late = doubt && loss == Loss::Silent;
        let what = Lost { doubt, late, waited, bound: waited || operation.mutates() };
        let too_large = too_large(operation, loss, &mut lost);
        let loss = if loss == Loss::NoMemory { Loss::Local } else { loss };
        if witness.lost(server, loss, what, now) {
            // What has somewhere else to go goes there.
            connection.park(&mut lost, |tag| waited || operation.changes(tag));
            witness.waits_for(server, now);
        } else {
            connection.surrender(&mut lost);
        }
        if let Some(tag) = too_large {
            operation.answer(witness.view(), tag, &Reply::Refused(NO_MEMORY));
            self.take(operation, witness, now);
        }
        self.fail(lost, operation, witness, now);
    }

    /// Tells the operation what will not be answered.
    pub(super) fn fail(
        &mut self,
        mut lost: Vec<(Tag, Failure)>,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        for (tag, failure) in lost.drain(..) {
            if operation.outcome().is_some() {
                break;
            }
            operation.fail(witness.view(), tag, failure);
            self.take(operation, witness, now);
        }
        self.lost = lost;
    }
}

/// Takes out the question whose answer there is no memory for: asked again, it would be the same. What became of a change
/// is not known for that.
fn too_large(
    operation: &(impl Operation + ?Sized),
    loss: Loss,
    lost: &mut Vec<(Tag, Failure)>,
) -> Option<Tag> {
    let (tag, _) = *lost.first().filter(|(tag, _)| loss == Loss::NoMemory && !operation.changes(*tag))?;
    lost.remove(0);
    Some(tag)
}

/// Whether what was lost leaves a doubt: a change that was sent and not answered.
pub(super) fn doubtful(operation: &(impl Operation + ?Sized), lost: &[(Tag, Failure)]) -> bool {
    lost.iter().any(|(tag, failure)| *failure == Failure::Unanswered && operation.changes(*tag))
}
