//! Matrix products.

use kernels::{Activation, Buffer, Isa, Product, ProductSpec};
use proptest::prelude::*;

use crate::reference::{Noise, activate, assert_close};

pub fn check(rows: usize, inputs: usize, outputs: usize, transposed: bool, activation: Activation) {
    let mut noise = Noise::new(4);
    let (a, weights, bias) = (noise.take(rows * inputs), noise.take(inputs * outputs), noise.take(outputs));
    let weight = |i: usize, o: usize| weights[if transposed { o * inputs + i } else { i * outputs + o }];
    let value = |i: usize| {
        let (row, o) = (i / outputs, i % outputs);
        let product = (0..inputs).map(|i| f64::from(a[row * inputs + i]) * f64::from(weight(i, o))).sum::<f64>();
        activate(activation, product + f64::from(bias[o]))
    };
    let expected: Vec<f64> = (0..rows * outputs).map(value).collect();
    for isa in Isa::available() {
        let spec = ProductSpec { inputs, outputs, weights: &weights, transposed, bias: Some(&bias), activation };
        let op = Product::new(isa, &spec).expect("a product");
        let mut out = vec![f32::NAN; rows * outputs];
        let mut scratch = Buffer::default();
        for _ in 0..2 {
            op.run(&a, &mut out, &mut scratch);
            assert_close(&out, &expected, &format!("{isa:?} {rows}×{inputs}×{outputs} {activation:?}"));
        }
    }
}

#[test]
fn every_remainder_of_rows_and_columns() {
    for rows in 0..30 {
        check(rows, 9, 33, false, Activation::None);
    }
    for outputs in 1..70 {
        check(3, 17, outputs, true, Activation::Gelu);
    }
}

#[test]
fn many_strips() {
    check(1100, 700, 40, true, Activation::RELU);
    check(1, 1280, 1000, true, Activation::None);
}

#[test]
fn a_matrix_of_another_size_is_refused() {
    let spec = ProductSpec {
        inputs: 3,
        outputs: 4,
        weights: &[0.0; 11],
        transposed: false,
        bias: None,
        activation: Activation::None,
    };
    let message = Product::new(Isa::best(), &spec).err().expect("a refusal").to_string();
    assert!(message.contains("11 floats are no 3 × 4 matrix"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn any_product((rows, inputs, outputs) in (1usize..50, 1usize..80, 1usize..80), transposed in any::<bool>()) {
        check(rows, inputs, outputs, transposed, Activation::Clamp(-1.0, 2.0));
    }
}
