//! Keys that the user gives: those of kcp-go and kcptun.
//!
//! kcp-go puts 16 bytes of chance and a CRC before each packet, and encrypts all of it in CFB with a first block that is always the same.
//! kcptun makes the key from a password. The CRC tells whether a key fits.

use std::fmt;
use std::str::FromStr;

use aes::{Aes128, Aes192, Aes256};
use anyhow::{Context, Result, bail, ensure};
use cfb_mode::Decryptor;
use cfb_mode::cipher::{AsyncStreamCipher, KeyIvInit};
use hmac::Hmac;
use sha1::Sha1;

/// What stands before a packet: chance, and a checksum of what follows.
const NONCE: usize = 16;
pub const HEADER: usize = NONCE + 4;

const FIRST_BLOCK: [u8; 16] = [
    167, 115, 79, 156, 18, 172, 27, 1, 164, 21, 242, 193, 252, 120, 230, 107,
];

/// A key of kcp-go for AES, of 16, 24 or 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    bytes: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key of {} bytes", self.bytes.len())
    }
}

impl FromStr for Key {
    type Err = anyhow::Error;

    /// `aes:PASSWORD` as kcptun takes it, also `aes-128` and `aes-192`; `hex:` and the bytes of the key.
    fn from_str(text: &str) -> Result<Key> {
        let (kind, secret) = text
            .split_once(':')
            .context("expected aes:PASSWORD, aes-128:PASSWORD, aes-192:PASSWORD or hex:BYTES")?;
        let length = match kind {
            "aes" => 32,
            "aes-192" => 24,
            "aes-128" => 16,
            "hex" => return Key::from_hex(secret),
            _ => bail!("unknown cipher `{kind}`: expected aes, aes-128, aes-192 or hex"),
        };
        // kcptun's salt and rounds.
        let mut bytes = [0; 32];
        pbkdf2::pbkdf2::<Hmac<Sha1>>(secret.as_bytes(), b"kcp-go", 4096, &mut bytes)
            .context("deriving the key")?;
        Ok(Key {
            bytes: bytes[..length].to_vec(),
        })
    }
}

/// The bytes that two hexadecimal digits each say.
pub fn hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks() else {
        return None;
    };
    let one = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(one).collect()
}

impl Key {
    fn from_hex(digits: &str) -> Result<Key> {
        ensure!(
            [32, 48, 64].contains(&digits.len()),
            "expected 32, 48 or 64 hexadecimal digits"
        );
        let bytes = hex(digits).context("expected hexadecimal digits")?;
        Ok(Key { bytes })
    }

    /// Decrypts a datagram of `length` bytes, of which the capture has `payload`, into `plain`. Gives whether the key fits, as far as the
    /// capture can tell: what is cut off has no checksum.
    pub fn open(&self, payload: &[u8], length: usize, plain: &mut Vec<u8>) -> bool {
        plain.clear();
        if payload.len() < HEADER {
            return false;
        }
        plain.extend_from_slice(payload);
        let opened = match self.bytes.len() {
            16 => Decryptor::<Aes128>::new_from_slices(&self.bytes, &FIRST_BLOCK)
                .map(|one| one.decrypt(plain)),
            24 => Decryptor::<Aes192>::new_from_slices(&self.bytes, &FIRST_BLOCK)
                .map(|one| one.decrypt(plain)),
            _ => Decryptor::<Aes256>::new_from_slices(&self.bytes, &FIRST_BLOCK)
                .map(|one| one.decrypt(plain)),
        };
        let sum = plain[NONCE..HEADER].try_into().map(u32::from_le_bytes);
        opened.is_ok()
            && (payload.len() < length || sum.ok() == Some(crc32fast::hash(&plain[HEADER..])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_passwords_or_bytes() {
        // What Python's hashlib.pbkdf2_hmac makes of it.
        let key: Key = "aes:it's a secrect".parse().unwrap();
        assert_eq!(key.bytes.len(), 32);
        let shorter: Key = "aes-128:it's a secrect".parse().unwrap();
        assert_eq!(key.bytes[..16], shorter.bytes[..]);
        let same: Key = "hex:25d7d7bd51050742d8d791f2b653c6c8b2366b7e25a124cf7a2e12eaf4ffa444"
            .parse()
            .unwrap();
        assert_eq!(same, key);
        for nonsense in [
            "secret",
            "rot13:secret",
            "hex:12",
            "hex:zz000000000000000000000000000000",
        ] {
            assert!(nonsense.parse::<Key>().is_err(), "{nonsense}");
        }
        assert_eq!(format!("{key:?}"), "Key of 32 bytes");
    }

    #[test]
    fn a_key_that_does_not_fit_opens_nothing() {
        let key: Key = "aes:one".parse().unwrap();
        let mut plain = Vec::new();
        for length in 0..100 {
            assert!(!key.open(&vec![7; length], length, &mut plain));
        }
    }
}
