//! What `ece` computes with: the cryptographic library that is here already.

use std::any::Any;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, ParsedPublicKey, PrivateKey, agree};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::rand;
use ece::crypto::{Cryptographer, EcKeyComponents, LocalKeyPair, RemotePublicKey};
use ece::{Error, Result};

use super::keys::parse_point;

pub(super) struct AwsLc;

/// The pair of keys of one message.
struct Pair(PrivateKey);

/// The key of a receiver.
struct Point(ParsedPublicKey);

/// The length of what HKDF derives, in bytes.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl LocalKeyPair for Pair {
    fn pub_as_raw(&self) -> Result<Vec<u8>> {
        let public = self.0.compute_public_key().map_err(failed)?;
        Ok(public.as_ref().to_vec())
    }

    fn raw_components(&self) -> Result<EcKeyComponents> {
        let private: EcPrivateKeyBin<'_> = self.0.as_be_bytes().map_err(failed)?;
        Ok(EcKeyComponents::new(private.as_ref(), &self.pub_as_raw()?))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl RemotePublicKey for Point {
    fn as_raw(&self) -> Result<Vec<u8>> {
        Ok(self.0.as_ref().to_vec())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Cryptographer for AwsLc {
    fn generate_ephemeral_keypair(&self) -> Result<Box<dyn LocalKeyPair>> {
        let private = PrivateKey::generate(&ECDH_P256).map_err(failed)?;
        Ok(Box::new(Pair(private)))
    }

    fn import_key_pair(&self, components: &EcKeyComponents) -> Result<Box<dyn LocalKeyPair>> {
        let private = PrivateKey::from_private_key(&ECDH_P256, components.private_key());
        Ok(Box::new(Pair(private.map_err(failed)?)))
    }

    fn import_public_key(&self, raw: &[u8]) -> Result<Box<dyn RemotePublicKey>> {
        let point = parse_point(raw).ok_or(Error::CryptoError)?;
        Ok(Box::new(Point(point)))
    }

    fn compute_ecdh_secret(
        &self,
        remote: &dyn RemotePublicKey,
        local: &dyn LocalKeyPair,
    ) -> Result<Vec<u8>> {
        let point = remote.as_any().downcast_ref::<Point>();
        let pair = local.as_any().downcast_ref::<Pair>();
        let (point, pair) = point.zip(pair).ok_or(Error::CryptoError)?;
        let secret = |secret: &[u8]| Ok(secret.to_vec());
        agree(&pair.0, point.0.clone(), Error::CryptoError, secret)
    }

    fn hkdf_sha256(&self, salt: &[u8], secret: &[u8], info: &[u8], len: usize) -> Result<Vec<u8>> {
        let derived = Salt::new(HKDF_SHA256, salt).extract(secret);
        let mut key = vec![0; len];
        let info = [info];
        let expanded = derived.expand(&info, Length(len)).map_err(failed)?;
        expanded.fill(&mut key).map_err(failed)?;
        Ok(key)
    }

    fn aes_gcm_128_encrypt(&self, key: &[u8], iv: &[u8], data: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = data.to_vec();
        let (key, nonce) = (aes_key(key)?, nonce(iv)?);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed)
            .map_err(failed)?;
        Ok(sealed)
    }

    fn aes_gcm_128_decrypt(
        &self,
        key: &[u8],
        iv: &[u8],
        ciphertext_and_tag: &[u8],
    ) -> Result<Vec<u8>> {
        let mut opened = ciphertext_and_tag.to_vec();
        let (key, nonce) = (aes_key(key)?, nonce(iv)?);
        let plain = key.open_in_place(nonce, Aad::empty(), &mut opened);
        let length = plain.map_err(failed)?.len();
        opened.truncate(length);
        Ok(opened)
    }

    fn random_bytes(&self, dest: &mut [u8]) -> Result<()> {
        rand::fill(dest).map_err(failed)
    }
}

fn aes_key(key: &[u8]) -> Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_128_GCM, key).map_err(failed)?;
    Ok(LessSafeKey::new(key))
}

fn nonce(iv: &[u8]) -> Result<Nonce> {
    Nonce::try_assume_unique_for_key(iv).map_err(failed)
}

/// The library says no more than that.
fn failed<E>(_: E) -> Error {
    Error::CryptoError
}
