//! A connection is gone, and with it what was asked over it.

use super::{Exchange, Lost, Witness};
use crate::client::connection::{Connection, Loss};
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
        let stripped = strip(connection, loss, operation, &mut lost);
        let waited = connection.parked();
        let what = Lost { waited, bound: waited || operation.mutates(), ..stripped };
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

    /// Ends a connection that nothing is to wait for any more, neither what was sent over it nor what was not.
    #[cold]
    pub(super) fn abandon(
        &mut self,
        index: usize,
        loss: Loss,
        operation: &mut (impl Operation + ?Sized),
        witness: &mut impl Witness,
        now: Instant,
    ) {
        let mut lost = std::mem::take(&mut self.lost);
        let connection = &mut self.connections[index];
        let what = strip(connection, loss, operation, &mut lost);
        connection.surrender(&mut lost);
        witness.lost(connection.server(), loss, what, now);
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

/// Ends a connection, appends what was composed for it and not answered to `lost`, and says what that leaves: a doubt, if a
/// change was sent.
pub(super) fn strip(
    connection: &mut Connection,
    loss: Loss,
    operation: &(impl Operation + ?Sized),
    lost: &mut Vec<(Tag, Failure)>,
) -> Lost {
    connection.lose(lost);
    let is_doubtful =
        |(tag, failure): &(Tag, Failure)| *failure == Failure::Unanswered && operation.changes(*tag);
    let doubt = lost.iter().any(is_doubtful);
    Lost { doubt, late: doubt && loss == Loss::Silent, waited: false, bound: false }
}
