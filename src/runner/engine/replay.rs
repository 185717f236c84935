//! Going over what an earlier run did, with its results at hand.

use super::Engine;
use crate::learner::TellError;
use crate::model::{Sample, Value};

/// Brings an engine that [tells in the order of asks](super::Order::Asked) to where an earlier run left it: asks and
/// tells alternate as they did then, so that the learner comes to the same state, with all that it does not show:
/// points chosen in advance, losses of different age, pending points that were asked from what was known then.
///
/// Where the learner asks other points than then, because settings or the window are others now, the rest is told as it
/// came, without asking.
pub(in crate::runner) struct Replay {
    engine: Engine,
    /// Up to now the learner has asked for all that was settled.
    follows: bool,
}

impl Replay {
    /// From an engine that has done nothing yet.
    pub(in crate::runner) fn new(engine: Engine) -> Self {
        Self { engine, follows: true }
    }

    /// The next result of the earlier run; `None`: the sample was given up.
    pub(in crate::runner) fn settle(
        &mut self,
        sample: &Sample,
        value: Option<&Value>,
    ) -> Result<(), TellError> {
        if self.follows {
            self.follow(sample);
        }
        match value {
            Some(value) => {
                self.engine.learner.tell(sample, value)?;
                self.engine.note_told(sample);
            }
            None => self.engine.give_up(sample),
        }
        Ok(())
    }

    fn follow(&mut self, sample: &Sample) {
        let engine = &mut self.engine;
        let mut place = engine.place_of(sample);
        // What came before its turn was told when the run stopped, and asked nothing more.
        if matches!(place, None | Some(0)) {
            engine.fill_window();
            place = place.or_else(|| engine.place_of(sample));
        }
        match place {
            Some(0) => {
                engine.first.pop_front();
                engine.turn_to_settle += 1;
            }
            Some(place) => {
                engine.first.remove(place);
                // Those behind it move up.
                engine.first.range_mut(place..).for_each(|attempt| attempt.turn -= 1);
                engine.next_turn -= 1;
            }
            None => {
                engine.learner.remove_unfinished();
                engine.first.clear();
                engine.turn_to_settle = engine.next_turn;
                self.follows = false;
            }
        }
    }

    /// The engine, which has asked what the earlier one would have asked next.
    pub(in crate::runner) fn end(mut self) -> Engine {
        if self.follows {
            self.engine.fill_window();
        }
        self.engine
    }

    /// The engine as it is now.
    pub(in crate::runner) fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }
}
