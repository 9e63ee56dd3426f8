//! Get-and-touch: a read that gives the value it finds a new expiry time, on every place.

use super::cursor::Cursor;
use super::read::Batch;
use super::spread::Spread;
use super::{Failure, Operation, Outcome, Tag, expiry, refused, writable};
use crate::rules::bytes::Bytes;
use crate::rules::places::Placement;
use crate::rules::pool::ServerId;
use crate::rules::view::View;
use crate::rules::wire::{Command, Reply};

enum Stage<'a> {
    Begin,
    /// A place was chosen and is asked; whether the question was handed to the driver.
    Reading {
        asked: bool,
    },
    /// The value was handed out; the other places get the new expiry time too.
    Touching(Box<Spread<'a>>),
    Over(Outcome),
}

/// Reads the one key of a batch and changes its expiry time. Ends as Hit, Miss, Refused, Unavailable
/// (also when the value was handed out, but whether every copy has the new expiry time is unknown).
pub struct GetAndTouch<'a, B = &'a mut dyn Batch> {
    key: Bytes<'a>,
    exptime: i64,
    /// What the server that is asked may have of it.
    sent: i64,
    batch: B,
    /// As in a [`Read`](super::Read).
    shows_stubs: bool,
    stage: Stage<'a>,
    cursor: Cursor,
    refusal: Vec<u8>,
}

impl<'a> GetAndTouch<'a> {
    /// `key` is also the batch's only key. For `exptime` see [`Write::new`](super::Write::new).
    pub fn new(key: impl Into<Bytes<'a>>, exptime: i64, batch: &'a mut dyn Batch) -> GetAndTouch<'a> {
        GetAndTouch::into(key, exptime, batch)
    }
}

impl<'a, B: Batch> GetAndTouch<'a, B> {
    /// As [`GetAndTouch::new`], with a batch of its own: [`GetAndTouch::batch`].
    pub fn into(key: impl Into<Bytes<'a>>, exptime: i64, batch: B) -> GetAndTouch<'a, B> {
        let (stage, cursor, refusal) = (Stage::Begin, Cursor::insisting(), Vec::new());
        let (key, sent, shows_stubs) = (key.into(), exptime, false);
        GetAndTouch { key, exptime, sent, batch, shows_stubs, stage, cursor, refusal }
    }

    /// See [`Read::showing_stubs`](super::Read::showing_stubs).
    #[must_use]
    pub fn showing_stubs(self) -> Self {
        GetAndTouch { shows_stubs: true, ..self }
    }

    /// Where the value goes.
    pub fn batch(&mut self) -> &mut B {
        &mut self.batch
    }

    fn proceed(&mut self, step: Result<ServerId, Outcome>) {
        self.stage = match step {
            Ok(_) => Stage::Reading { asked: false },
            Err(outcome) => {
                self.batch.settle(0, Err(outcome));
                Stage::Over(outcome)
            }
        };
    }

    fn found(&mut self, view: &View) {
        self.stage = match writable(view, &self.key) {
            Ok(placement) if placement.places.as_slice() == [self.cursor.server()] => {
                Stage::Over(Outcome::Hit)
            }
            Ok(_) => Stage::Touching(Box::new(Spread::touch(self.key.clone(), self.exptime))),
            Err(outcome) => Stage::Over(outcome),
        };
    }

    fn settle_touch(&mut self) {
        if let Stage::Touching(touch) = &self.stage {
            match touch.outcome() {
                Some(Outcome::Touched | Outcome::NotFound) => self.stage = Stage::Over(Outcome::Hit),
                Some(outcome) => {
                    self.refusal = touch.refusal().unwrap_or_default().to_vec();
                    self.stage = Stage::Over(outcome);
                }
                None => {}
            }
        }
    }
}

impl<B: Batch> Operation for GetAndTouch<'_, B> {
    fn next(&mut self, view: &View) -> Option<(ServerId, Tag)> {
        if let Stage::Begin = self.stage {
            let step = self.cursor.begin(view, &self.key);
            self.proceed(step);
        }
        match &mut self.stage {
            Stage::Reading { asked: true } => None,
            Stage::Reading { asked } => {
                *asked = true;
                let server = self.cursor.server();
                if let Some(placement) = Placement::of(view, &self.key) {
                    self.sent = expiry::on_server(view, &placement, server, self.exptime);
                }
                Some((server, 0))
            }
            Stage::Touching(touch) => {
                let next = touch.next(view);
                self.settle_touch();
                next
            }
            Stage::Begin | Stage::Over(_) => None,
        }
    }

    fn command(&self, tag: Tag) -> Command<'_> {
        match &self.stage {
            Stage::Touching(touch) => touch.command(tag),
            _ => Command::GetAndTouch { key: &self.key, exptime: self.sent },
        }
    }

    fn answer(&mut self, view: &View, tag: Tag, reply: &Reply<'_>) {
        if let Stage::Touching(touch) = &mut self.stage {
            touch.answer(view, tag, reply);
            return self.settle_touch();
        }
        match reply {
            Reply::Value(value) if !value.is_stub() || (self.shows_stubs && !view.pool.options.backups) => {
                self.batch.settle(0, Ok(value));
                self.found(view);
            }
            Reply::Refused(text) => {
                self.refusal = text.to_vec();
                self.proceed(Err(Outcome::Refused));
            }
            _ => {
                if let Some(text) = refused(reply) {
                    self.refusal = text.to_vec();
                    self.cursor.unable();
                }
                let step = self.cursor.missed(view, &self.key);
                self.proceed(step);
            }
        }
    }

    fn fail(&mut self, view: &View, tag: Tag, failure: Failure) {
        if let Stage::Touching(touch) = &mut self.stage {
            touch.fail(view, tag, failure);
            return self.settle_touch();
        }
        let step = self.cursor.lost(view, &self.key);
        self.proceed(step);
    }

    fn outcome(&self) -> Option<Outcome> {
        match self.stage {
            Stage::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    fn refusal(&self) -> Option<&[u8]> {
        (!self.refusal.is_empty()).then_some(&self.refusal)
    }

    fn key(&self) -> Option<&[u8]> {
        Some(&self.key)
    }
}
