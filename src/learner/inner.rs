//! The verbs that a learner around another one leaves to it.

/// In an `impl Learner` of a type whose field `inner` is the learner that it wraps: all verbs but those by which
/// wrappers differ (`kind`, all that asks and tells, `work_in_parallel`, `rest` and the two copies).
macro_rules! left_to_inner {
    () => {
        fn signature(&self) -> $crate::model::Signature {
            self.inner.signature()
        }

        fn is_indexed(&self) -> bool {
            self.inner.is_indexed()
        }

        fn refuses(&self, point: &[f64]) -> Option<String> {
            self.inner.refuses(point)
        }

        fn loss(&self, which: $crate::learner::Loss) -> f64 {
            self.inner.loss(which)
        }

        fn npoints(&self) -> usize {
            self.inner.npoints()
        }

        fn npending(&self) -> usize {
            self.inner.npending()
        }

        fn done(&self) -> Option<bool> {
            self.inner.done()
        }

        fn hopeless(&self) -> Option<String> {
            self.inner.hopeless()
        }

        fn needs(&self, sample: &$crate::model::Sample) -> bool {
            self.inner.needs(sample)
        }

        fn lacks_needed(&self) -> bool {
            self.inner.lacks_needed()
        }

        fn most_in_flight(&self) -> Option<usize> {
            self.inner.most_in_flight()
        }

        fn figures(&self) -> Vec<(&'static str, f64)> {
            self.inner.figures()
        }

        fn bounding_box(&self) -> Option<Vec<(f64, f64)>> {
            self.inner.bounding_box()
        }

        fn interpolate(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
            self.inner.interpolate(at, out)
        }

        fn interpolate_all(&self, at: &[f64], out: &mut Vec<f64>) -> bool {
            self.inner.interpolate_all(at, out)
        }

        fn interpolant(&self) -> Option<$crate::learner::Interpolant> {
            self.inner.interpolant()
        }
    };
}

pub(crate) use left_to_inner;
