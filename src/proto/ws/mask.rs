//! Masking (RFC 6455 §5.3): every byte of a client's payload is XORed with one of four.
//!
//! Called by the reader and the sender. Written so that the compiler makes vector instructions of
//! it: words of eight bytes, without a branch between them.

/// Masks or unmasks `bytes`, the first of which is byte number `at` of its payload.
pub(super) fn apply(bytes: &mut [u8], key: [u8; 4], at: u64) {
    let [a, b, c, d] = turned(key, at);
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}

/// The key as it applies from byte number `at` on.
fn turned(mut key: [u8; 4], at: u64) -> [u8; 4] {
    key.rotate_left((at % 4) as usize);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_meets_its_byte_of_the_key_wherever_the_payload_is_cut() {
        let key = [0x11, 0x22, 0x44, 0x88];
        for length in 0..70_usize {
            let plain: Vec<u8> = (0..length).map(|n| (n * 7) as u8).collect();
            let masked: Vec<u8> =
                plain.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            for cut in 0..=length {
                let mut bytes = plain.clone();
                let (front, back) = bytes.split_at_mut(cut);
                apply(front, key, 0);
                apply(back, key, cut as u64);
                assert_eq!(bytes, masked, "{length} bytes cut at {cut}");
            }
        }
    }
}
