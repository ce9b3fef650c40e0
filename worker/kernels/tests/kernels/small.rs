//! Every op on a few pixels, so that slow checkers can run it: `worker/kernels/check-memory` runs these under Miri.

use kernels::{Activation, Shape, Source, Window};

use crate::convolution::{Case, plain};
use crate::sweep::{KINDS, check_alone, check_fused};
use crate::{bottleneck, convolution, elementwise, product};

#[test]
fn convolutions() {
    for window in [Window::pointwise(), Window::square(3, 1, 1), Window::square(2, 2, 0)] {
        convolution::check(plain([17, 2, 3], 18, window));
        convolution::check(Case { source: Source::Planar, ..plain([3, 3, 4], 18, window) });
        convolution::check(Case { groups: 2, ..plain([6, 2, 3], 8, window) });
    }
    let window = Window { dilation: [1, 2], padding: [0, 2, 1, 0], ..Window::square(3, 1, 0) };
    convolution::check(plain([5, 4, 5], 9, window));
    for activation in [Activation::RELU, Activation::Silu, Activation::HardSwish, Activation::Gelu] {
        convolution::check(Case { residual: true, activation, ..plain([5, 1, 9], 20, Window::pointwise()) });
    }
}

#[test]
fn sums_that_wait() {
    convolution::check(plain([520, 1, 2], 17, Window::pointwise()));
}

#[test]
fn whole_blocks_by_winograd() {
    convolution::check(plain([16, 10, 11], 16, Window::square(3, 1, 1)));
}

#[test]
fn sweeps() {
    for kind in KINDS {
        check_alone(kind, Shape::new(17, 4, 5), Window::square(3, 1, 1));
        check_fused(kind, Shape::new(5, 5, 4), Source::Blocked, 20, Window::pointwise(), Window::square(3, 2, 1));
        check_fused(kind, Shape::new(3, 9, 8), Source::Planar, 18, Window::square(3, 2, 1), Window::square(2, 1, 0));
    }
}

#[test]
fn bottlenecks() {
    bottleneck::check(bottleneck::pointwise(KINDS[0], [5, 5, 4], Window::square(3, 2, 1)));
}

#[test]
fn products_and_passes() {
    for (rows, outputs, activation) in
        [(1, 33, Activation::None), (5, 16, Activation::Gelu), (16, 40, Activation::RELU)]
    {
        product::check(rows, 9, outputs, rows == 5, activation);
    }
    elementwise::check(Shape::new(20, 3, 5));
}
