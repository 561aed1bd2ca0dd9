use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use data_encoding::BASE64URL_NOPAD;
use ece::EcKeyComponents;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn decode(text: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
}

/// What a browser has.
struct Receiver {
    keys: EcKeyComponents,
    public: [u8; 65],
    auth: [u8; 16],
}

impl Receiver {
    fn new(auth: [u8; 16]) -> Self {
        let private = PrivateKey::generate(&ECDH_P256).unwrap();
        let public: [u8; 65] = private
            .compute_public_key()
            .unwrap()
            .as_ref()
            .try_into()
            .unwrap();
        let private: EcPrivateKeyBin<'_> = private.as_be_bytes().unwrap();
        Self {
            keys: EcKeyComponents::new(private.as_ref(), &public),
            public,
            auth,
        }
    }

    fn decrypt(&self, encrypted: &[u8]) -> ece::Result<Vec<u8>> {
        ece::decrypt(&self.keys, &self.auth, encrypted)
    }
}

// RFC 8291, section 5 and appendix A.
const PRIVATE: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
const PUBLIC: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
const MESSAGE: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8w\
    EqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";

/// Both ways, with the keys and the salt of the appendix.
#[test]
fn the_example_of_rfc_8291_is_encrypted_and_decrypted() {
    let _ = ece::crypto::set_cryptographer(&AwsLc);
    ece::crypto::test_cryptographer(AwsLc);
    let receiver = Receiver {
        keys: EcKeyComponents::new(decode(PRIVATE), decode(PUBLIC)),
        public: parse_public(PUBLIC).unwrap(),
        auth: parse_auth(AUTH).unwrap(),
    };
    let message = receiver.decrypt(&decode(MESSAGE)).unwrap();
    assert_eq!(message, b"When I grow up, I want to be a watermelon");
    let encrypted = encrypt(&receiver.public, &receiver.auth, b"a push").unwrap();
    assert_eq!(receiver.decrypt(&encrypted).unwrap(), b"a push");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn only_its_receiver_reads_a_message(
        message in prop::collection::vec(any::<u8>(), 1..=3_000),
        auth in any::<[u8; 16]>(),
        flipped in any::<prop::sample::Index>(),
    ) {
        let receiver = Receiver::new(auth);
        let encrypted = encrypt(&receiver.public, &auth, &message).unwrap();
        prop_assert!(encrypted.len() <= MAX_MESSAGE);
        prop_assert_eq!((encrypted.len() - 86 - 16) % 128, 0, "filled up");
        prop_assert_eq!(&encrypted[16..21], &[0, 0, 16, 0, 65][..], "one record of 4096 bytes");
        prop_assert_eq!(&receiver.decrypt(&encrypted).unwrap(), &message);
        prop_assert_ne!(&encrypt(&receiver.public, &auth, &message).unwrap(), &encrypted);
        prop_assert!(Receiver::new(auth).decrypt(&encrypted).is_err());
        let mut damaged = encrypted;
        let place = flipped.index(damaged.len());
        damaged[place] ^= 1;
        // A message of one record is read whatever length records are said to have.
        prop_assert!((16..20).contains(&place) || receiver.decrypt(&damaged).is_err());
    }

    #[test]
    fn nothing_that_is_said_to_be_a_key_or_an_address_panics(text in ".{0,100}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let encoded = BASE64URL_NOPAD.encode(&bytes);
        for text in [&text, &encoded] {
            prop_assert!(parse_public(text).is_err(), "hardly a point by chance");
            let _ = (parse_auth(text), origin(text), origin(&format!("https://{text}")));
            prop_assert!(VapidKey::from_pem(text).is_err());
        }
    }
}

#[test]
fn what_is_empty_or_too_long_is_not_encrypted() {
    let receiver = Receiver::new([7; 16]);
    assert!(encrypt(&receiver.public, &receiver.auth, b"").is_err());
    for length in [3_990, 10_000] {
        let error = encrypt(&receiver.public, &receiver.auth, &vec![b'a'; length]).unwrap_err();
        assert!(error.contains("take 4096"), "{error}");
    }
    let mut wrong = receiver.public;
    wrong[64] ^= 1;
    assert!(encrypt(&wrong, &receiver.auth, b"a push").is_err());
}

#[test]
fn keys_that_are_wrong_are_told_apart() {
    let mut off_curve = decode(PUBLIC);
    off_curve[40] ^= 1;
    let compressed = [&[2], &decode(PUBLIC)[1..33]].concat();
    let hybrid = [&[6], &decode(PUBLIC)[1..]].concat();
    for (text, why) in [
        ("not base64url!".to_owned(), "not in base64url"),
        (String::new(), "65 bytes"),
        (BASE64URL_NOPAD.encode(&compressed), "65 bytes"),
        (BASE64URL_NOPAD.encode(&hybrid), "65 bytes"),
        (BASE64URL_NOPAD.encode(&off_curve), "no point of the curve"),
    ] {
        let error = parse_public(&text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
    assert!(parse_public(&format!("{PUBLIC}=")).is_ok(), "padded");
    assert!(parse_auth(&format!("{AUTH}==")).is_ok(), "padded");
    assert!(parse_auth(PUBLIC).unwrap_err().contains("16 bytes"));
    assert!(parse_auth("+/+/").unwrap_err().contains("base64url"));
}

#[test]
fn an_address_has_an_origin() {
    for (endpoint, expected) in [
        ("https://push.example/send/abc?x=1", "https://push.example"),
        ("https://Push.Example:443/", "https://push.example"),
        ("https://push.example:8443", "https://push.example:8443"),
        ("https://[::1]:8443/a", "https://[::1]:8443"),
        ("https://push.example?a=@", "https://push.example"),
    ] {
        assert_eq!(origin(endpoint).as_deref(), Ok(expected));
    }
    for (endpoint, why) in [
        ("http://push.example/a", "https://"),
        ("push.example", "https://"),
        ("https:///a", "needs a host"),
        ("https://:443/a", "needs a host"),
        ("https://ana:secret@push.example/a", "needs a host"),
        ("https://push.example/a b", "characters"),
        ("https://push.example/#a", "characters"),
    ] {
        let error = origin(endpoint).unwrap_err();
        assert!(error.contains(why), "{endpoint}: {error}");
    }
}

#[test]
fn who_sends_is_signed_with_the_key() {
    let pem = VapidKey::generate_pem().unwrap();
    assert!(pem.lines().all(|line| line.len() <= 64));
    let key = VapidKey::from_pem(pem).unwrap();
    assert_eq!(parse_public(&key.public_text()), Ok(key.public()));
    let field = key.authorization("https://push.example", 1_000, "mailto:ops@example.org");
    let field = field.unwrap();
    let (token, own) = field
        .strip_prefix("vapid t=")
        .and_then(|rest| rest.split_once(", k="))
        .unwrap();
    assert_eq!(own, key.public_text());
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["https://push.example"]);
    validation.validate_exp = false;
    let verified =
        jsonwebtoken::decode::<Value>(token, &DecodingKey::from_ec_der(&key.public()), &validation);
    let claims = verified.unwrap().claims;
    assert_eq!(
        (&claims["exp"], &claims["sub"]),
        (&1_000.into(), &"mailto:ops@example.org".into())
    );
}

/// A key of RFC 5915, as `openssl ecparam -genkey` writes it; and keys of other kinds.
#[test]
fn a_file_that_is_no_key_says_what_to_do() {
    let pem =
        |label: &str, der: &str| format!("-----BEGIN {label}-----\n{der}\n-----END {label}-----\n");
    let ed25519 = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    for (text, why) in [
        (String::new(), "no private key"),
        (pem("EC PRIVATE KEY", "MC4C"), "pkcs8 -topk8"),
        (pem("PRIVATE KEY", ed25519), "P-256"),
        (pem("CERTIFICATE", "MC4C"), "no private key"),
    ] {
        let error = VapidKey::from_pem(&text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}
