//! Sums of rates without rounding, so that neither the order of the posts nor how they were split shows in them.

/// A rate above 0 is at least 100 / (2^63 - 1) and at most 400 * (2^63 - 1), in percent: from 2^-57 to below 2^72.
pub const SMALLEST_EXPONENT: i32 = -57;
pub const LARGEST_EXPONENT: i32 = 71;

const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
/// What the last bit of a sum of rates stands for: 2^-109; of squares: 2^-218.
const UNIT: i32 = SMALLEST_EXPONENT - MANTISSA_BITS as i32;

/// Non-negative fixed point: limbs of 64 bits, the lowest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed<const LIMBS: usize>([u64; LIMBS]);

/// 2^63 rates below 2^72 in units of 2^-109 fill 244 bits; a part is added as three limbs, which needs the fifth.
pub type Sum = Fixed<5>;
/// 2^63 squares below 2^144 in units of 2^-218 fill 425 bits.
pub type Squares = Fixed<7>;

impl<const LIMBS: usize> Default for Fixed<LIMBS> {
    fn default() -> Self {
        Self([0; LIMBS])
    }
}

impl<const LIMBS: usize> Fixed<LIMBS> {
    /// Adds `value` * 2^`place`. The caller has seen to it that there is room.
    #[inline(always)]
    fn add_at(&mut self, value: u128, place: u32) {
        let low = value << (place % 64);
        let high = (value >> 1 >> (127 - place % 64)) as u64;
        let Some([a, b, c, rest @ ..]) = self.0.get_mut(place as usize / 64..) else { return };
        let mut carry;
        (*a, carry) = a.overflowing_add(low as u64);
        (*b, carry) = b.carrying_add((low >> 64) as u64, carry);
        (*c, carry) = c.carrying_add(high, carry);
        for limb in rest {
            if !carry {
                break;
            }
            (*limb, carry) = limb.overflowing_add(1);
        }
    }

    /// Takes away what [`Self::add_at`] has added.
    fn subtract_at(&mut self, value: u128, place: u32) {
        let low = value << (place % 64);
        let parts = [low as u64, (low >> 64) as u64, (value >> 1 >> (127 - place % 64)) as u64];
        let mut borrow = false;
        let limbs = self.0.iter_mut().skip(place as usize / 64);
        for (limb, part) in limbs.zip(parts.into_iter().chain(std::iter::repeat(0))) {
            (*limb, borrow) = limb.borrowing_sub(part, borrow);
        }
    }

    /// False, and worth nothing, if there was no room.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        let mut carry = false;
        for (limb, more) in self.0.iter_mut().zip(other.0) {
            (*limb, carry) = limb.carrying_add(more, carry);
        }
        !carry
    }

    /// The lowest byte first, without zeros at the end.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.0.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut limbs = [0; LIMBS];
        if bytes.len() > 8 * LIMBS {
            return None;
        }
        for (limb, part) in limbs.iter_mut().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..part.len()].copy_from_slice(part);
            *limb = u64::from_le_bytes(whole);
        }
        Some(Self(limbs))
    }
}

/// Mantissa and place of its last bit in a [`Sum`] of a rate above 0.
#[inline(always)]
fn parts(rate: f64) -> (u64, u32) {
    let bits = rate.to_bits();
    let mantissa = bits & ((1 << MANTISSA_BITS) - 1) | 1 << MANTISSA_BITS;
    (mantissa, ((bits >> MANTISSA_BITS) as u32).wrapping_sub((1023 + SMALLEST_EXPONENT) as u32))
}

/// The sum of rates and of their squares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moments {
    pub sum: Sum,
    pub squares: Squares,
}

impl Moments {
    #[inline(always)]
    pub fn add(&mut self, rate: f64) {
        let (mantissa, place) = parts(rate);
        self.sum.add_at(mantissa.into(), place);
        self.squares.add_at(u128::from(mantissa) * u128::from(mantissa), 2 * place);
    }

    pub fn subtract(&mut self, rate: f64) {
        let (mantissa, place) = parts(rate);
        self.sum.subtract_at(mantissa.into(), place);
        self.squares.subtract_at(u128::from(mantissa) * u128::from(mantissa), 2 * place);
    }

    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        self.sum.merge(&other.sum) && self.squares.merge(&other.squares)
    }

    pub fn mean(&self, count: u64) -> f64 {
        to_f64(&self.sum.0, UNIT) / count as f64
    }

    /// Of a sample. count * squares - sum^2 has no rounding error, however alike the rates are; `None` when it is negative,
    /// which it is of no numbers.
    pub fn deviation(&self, count: u64) -> Option<f64> {
        let mut spread: [u64; 10] = product(&self.squares.0, &[count]);
        let square: [u64; 10] = product(&self.sum.0, &self.sum.0);
        let mut borrow = false;
        for (limb, less) in spread.iter_mut().zip(square) {
            (*limb, borrow) = limb.borrowing_sub(less, borrow);
        }
        let pairs = u128::from(count) * u128::from(count.saturating_sub(1));
        (!borrow).then(|| (to_f64(&spread, 2 * UNIT) / pairs as f64).sqrt())
    }
}

/// Schoolbook; the result has room for it.
fn product<const LIMBS: usize>(a: &[u64], b: &[u64]) -> [u64; LIMBS] {
    let mut result = [0; LIMBS];
    for (i, x) in a.iter().enumerate() {
        let mut carry = 0;
        for (j, y) in b.iter().chain(std::iter::once(&0)).enumerate() {
            if let Some(limb) = result.get_mut(i + j) {
                let wide = u128::from(*x) * u128::from(*y) + u128::from(*limb) + u128::from(carry);
                *limb = wide as u64;
                carry = (wide >> 64) as u64;
            }
        }
    }
    result
}

/// `limbs` * 2^`exponent`, to the nearest. The limbs and exponents here are far from the ends of f64.
fn to_f64(limbs: &[u64], exponent: i32) -> f64 {
    let Some(top) = limbs.iter().rposition(|limb| *limb != 0) else { return 0.0 };
    let below = |back: usize| top.checked_sub(back).map_or(0, |place| limbs[place]);
    let shift = limbs[top].leading_zeros();
    let pair = (u128::from(limbs[top]) << 64 | u128::from(below(1))) << shift;
    // 64 leading bits and, in the last of them, whether anything follows: enough to round right.
    let follows = pair as u64 != 0 || limbs[..top.saturating_sub(1)].iter().any(|limb| *limb != 0);
    let leading = (pair >> 64) as u64 | u64::from(follows);
    leading as f64 * 2_f64.powi(64 * top as i32 - shift as i32 + exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extremes_have_room() {
        let (smallest, largest) = (100.0 / i64::MAX as f64, 400.0 * i64::MAX as f64);
        assert_eq!(parts(smallest).1, 0);
        assert_eq!(parts(largest).1, (LARGEST_EXPONENT - SMALLEST_EXPONENT) as u32);
        let mut moments = Moments::default();
        moments.add(largest);
        for _ in 0..62 {
            let same = moments.clone();
            assert!(moments.merge(&same));
        }
        assert_eq!(moments.mean(1 << 62), largest);
        assert_eq!(moments.deviation(1 << 62), Some(0.0));
        moments.add(smallest);
        moments.subtract(largest);
        moments.add(largest);
        assert_eq!(moments.mean(1 << 62), largest);
        let bytes = moments.squares.to_bytes();
        assert_eq!(Squares::from_bytes(&bytes), Some(moments.squares));
    }

    #[test]
    fn nearest_even_whatever_follows() {
        assert_eq!(to_f64(&[0, 0, 0], 0), 0.0);
        assert_eq!(to_f64(&[7, 0, 0], -1), 3.5);
        // 2^117 + half of its last bit: even stays, and goes up as soon as anything follows.
        let tie = (1_u128 << 117) + (1 << 64);
        let limbs = |low: u64, n: u128| [low, n as u64, (n >> 64) as u64];
        assert_eq!(to_f64(&limbs(0, tie), -64), 2_f64.powi(117));
        assert_eq!(to_f64(&limbs(1, tie), -64), 2_f64.powi(117) + 2_f64.powi(65));
        assert_eq!(to_f64(&[u64::MAX; 3], 0), 2_f64.powi(192));
    }

    #[test]
    fn products_carry() {
        let all: [u64; 4] = product(&[u64::MAX; 2], &[u64::MAX; 2]);
        assert_eq!(all, [1, 0, u64::MAX - 1, u64::MAX]);
    }

    #[test]
    fn alike_rates_do_not_cancel() {
        // Two rates that differ in the last bit: their variance is half its square.
        let (a, b) = (5.0_f64, 5.0_f64.next_up());
        let mut moments = Moments::default();
        moments.add(a);
        moments.add(b);
        assert_eq!(moments.deviation(2), Some(((b - a).powi(2) / 2.0).sqrt()));
    }
}
