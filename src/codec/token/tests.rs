use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8] = b"a secret of at least 32 bytes, as wanted\n";
const NOW_MS: u64 = 1_000_000;

/// A private key of a test, in PKCS#8, base 64.
const ED25519: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";

fn keys() -> Keys {
    let mut keys = Keys::new(None);
    keys.add_secret(SECRET).unwrap();
    keys
}

fn claims() -> Value {
    json!({"sub": "alice", "exp": 1001, "subscribe": ["tea-*"], "admin": true})
}

/// What becomes of a token with these claims, and this head, signed with the secret.
fn verify_with(keys: &Keys, header: &Header, claims: &Value) -> Result<Claims, Refused> {
    let key = EncodingKey::from_secret(SECRET.trim_ascii_end());
    keys.verify(&encode(header, claims, &key).unwrap(), NOW_MS)
}

fn verify(keys: &Keys, claims: &Value) -> Result<Claims, Refused> {
    verify_with(keys, &Header::new(Algorithm::HS256), claims)
}

fn part(json: &Value) -> String {
    BASE64URL_NOPAD.encode(json.to_string().as_bytes())
}

#[test]
fn a_token_says_who_and_what() {
    let claims = verify(&keys(), &claims()).unwrap();
    assert_eq!((claims.sub.as_str(), claims.admin), ("alice", true));
    assert_eq!(
        (claims.subscribe, claims.publish),
        (vec!["tea-*".to_owned()], vec![])
    );
    assert_eq!(claims.exp, 1001.0);
}

#[test]
fn what_is_signed_here_is_taken_here() {
    let claims = Claims {
        sub: "bob".to_owned(),
        exp: 2000.0,
        nbf: None,
        iat: Some(1000.0),
        aud: None,
        subscribe: vec!["*".to_owned()],
        publish: vec![],
        admin: false,
    };
    let token = claims.sign(SECRET).unwrap();
    assert_eq!(keys().verify(&token, NOW_MS), Ok(claims.clone()));
    let other = claims.sign(b"another secret of at least 32 bytes").unwrap();
    assert_eq!(keys().verify(&other, NOW_MS), Err(Refused::Signature));
    assert!(claims.sign(b"short").unwrap_err().contains("at least 32"));
    let long = Claims {
        publish: vec!["x".repeat(MAX_TOKEN)],
        ..claims
    };
    assert!(long.sign(SECRET).is_err());
}

#[test]
fn times() {
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        verify(&keys(), &claims).map(|_| ())
    };
    assert_eq!(with("exp", json!(1000)), Err(Refused::Expired));
    assert_eq!(with("exp", json!(1000.5)), Ok(()));
    assert_eq!(with("exp", json!(-1)), Err(Refused::Expired));
    assert_eq!(with("exp", json!(1e300)), Ok(()));
    assert_eq!(with("exp", json!("1001")), Err(Refused::Malformed));
    assert_eq!(with("exp", Value::Null), Err(Refused::Malformed));
    assert_eq!(with("nbf", json!(1029)), Ok(()), "clocks differ");
    assert_eq!(with("nbf", json!(1031)), Err(Refused::NotYet));
}

#[test]
fn what_has_to_be_there() {
    for missing in ["sub", "exp"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(missing);
        assert_eq!(verify(&keys(), &claims), Err(Refused::Malformed));
    }
    for (name, value) in [
        ("subscribe", json!("tea")),
        ("admin", json!("true")),
        ("sub", json!(7)),
    ] {
        let mut claims = claims();
        claims[name] = value;
        assert_eq!(verify(&keys(), &claims), Err(Refused::Malformed), "{name}");
    }
}

#[test]
fn patterns_are_bounded() {
    let with = |count: usize| {
        let mut claims = claims();
        claims["publish"] = json!(vec!["a*"; count]);
        verify(&keys(), &claims).map(|_| ())
    };
    assert_eq!(with(MAX_PATTERNS - 1), Ok(()), "one is to subscribe");
    assert_eq!(with(MAX_PATTERNS), Err(Refused::Patterns));
    let words = format!("more than {MAX_PATTERNS} patterns");
    assert!(Refused::Patterns.message().contains(&words));
}

#[test]
fn audiences() {
    let for_whom = |aud: Value| {
        let mut claims = claims();
        claims["aud"] = aud;
        claims
    };
    let taken = |keys: &Keys, claims: &Value| verify(keys, claims).map(|_| ());
    assert_eq!(
        taken(&keys(), &for_whom(json!("theirs"))),
        Err(Refused::Audience)
    );
    let mut ours = Keys::new(Some("ours".to_owned()));
    ours.add_secret(SECRET).unwrap();
    assert_eq!(taken(&ours, &for_whom(json!("ours"))), Ok(()));
    assert_eq!(taken(&ours, &for_whom(json!(["theirs", "ours"]))), Ok(()));
    for wrong in [json!("theirs"), json!([]), json!(7)] {
        assert_eq!(
            taken(&ours, &for_whom(wrong.clone())),
            Err(Refused::Audience),
            "{wrong}"
        );
    }
    assert_eq!(taken(&ours, &claims()), Err(Refused::Audience));
}

#[test]
fn no_algorithm_but_that_of_the_key() {
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let header = Header::new(algorithm);
        assert_eq!(
            verify_with(&keys(), &header, &claims()),
            Err(Refused::Algorithm)
        );
    }
    for alg in ["none", "None", "RS256", "ES256", "EdDSA", ""] {
        let token = format!("{}.{}.", part(&json!({"alg": alg})), part(&claims()));
        assert_eq!(
            keys().verify(&token, NOW_MS),
            Err(Refused::Algorithm),
            "{alg}"
        );
    }
}

/// A public key is no secret: whoever signs with it as if it were one is not taken in.
#[test]
fn a_public_key_is_not_taken_for_a_secret() {
    let der = data_encoding::BASE64.decode(ED25519.as_bytes()).unwrap();
    let key = EncodingKey::from_ed_der(&der);
    let jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
    let jwk = serde_json::to_value(&jwk).unwrap();
    let mut keys = Keys::new(None);
    keys.add_jwks(json!({"keys": [jwk]}).to_string().as_bytes())
        .unwrap();
    let good = encode(&Header::new(Algorithm::EdDSA), &claims(), &key).unwrap();
    assert_eq!(keys.verify(&good, NOW_MS).unwrap().sub, "alice");

    let x = BASE64URL_NOPAD
        .decode(jwk["x"].as_str().unwrap().as_bytes())
        .unwrap();
    for secret in [x.as_slice(), jwk["x"].as_str().unwrap().as_bytes()] {
        let header = Header::new(Algorithm::HS256);
        let forged = encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap();
        assert_eq!(keys.verify(&forged, NOW_MS), Err(Refused::Algorithm));
    }
}

#[test]
fn a_key_that_is_named_is_the_only_one_tried() {
    let jwk = |id: &str, seed: u8| {
        let mut der = data_encoding::BASE64.decode(ED25519.as_bytes()).unwrap();
        *der.last_mut().unwrap() = seed;
        let key = EncodingKey::from_ed_der(&der);
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
        jwk.common.key_id = Some(id.to_owned());
        (key, serde_json::to_value(jwk).unwrap())
    };
    let ((first, a), (second, b)) = (jwk("a", 1), jwk("b", 2));
    let mut keys = Keys::new(None);
    keys.add_jwks(json!({"keys": [a, b]}).to_string().as_bytes())
        .unwrap();
    let signed = |key: &EncodingKey, id: Option<&str>| {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = id.map(str::to_owned);
        let token = encode(&header, &claims(), key).unwrap();
        keys.verify(&token, NOW_MS).map(|_| ())
    };
    assert_eq!(signed(&first, Some("a")), Ok(()));
    assert_eq!(signed(&second, Some("b")), Ok(()));
    assert_eq!(signed(&second, None), Ok(()));
    assert!(signed(&second, Some("a")).is_err());
    assert_eq!(signed(&second, Some("c")), Err(Refused::UnknownKey));
}

#[test]
fn key_sets_that_are_of_no_use() {
    let error = |json: &str| Keys::new(None).add_jwks(json.as_bytes()).unwrap_err();
    assert!(error("{").contains("JSON Web Key Set"));
    assert!(error(r#"{"keys":[]}"#).contains("no key"));
    let secret = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}]}"#;
    assert!(error(secret).contains("no key"));
    let short = r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#;
    assert!(error(short).contains("2048 bits"));
    let point = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}]}"#;
    assert!(error(point).contains("wrong length"));
    let encryption = r#"{"keys":[{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"}]}"#;
    assert!(error(encryption).contains("no key"));
}

#[test]
fn what_is_no_token() {
    let long = "a".repeat(MAX_TOKEN + 1);
    assert_eq!(keys().verify(&long, NOW_MS), Err(Refused::TooLong));
    assert!(Refused::TooLong.message().contains(&MAX_TOKEN.to_string()));
    let crit = format!(
        "{}.{}.x",
        part(&json!({"alg": "HS256", "crit": ["b64"]})),
        part(&claims())
    );
    for text in [
        "",
        ".",
        "..",
        "a.b.c",
        "e30.e30.",
        "e30=.e30.e30",
        crit.as_str(),
    ] {
        assert_eq!(
            keys().verify(text, NOW_MS),
            Err(Refused::Malformed),
            "{text}"
        );
    }
}

proptest! {
    /// Whatever is changed in a token, it is not that token any more.
    #[test]
    fn a_changed_token_is_refused(at in 0..200_usize, to in prop::sample::select(&b"Aa0-_.="[..])) {
        let key = EncodingKey::from_secret(SECRET.trim_ascii_end());
        let token = encode(&Header::new(Algorithm::HS256), &claims(), &key).unwrap();
        let mut changed = token.clone().into_bytes();
        let at = at % changed.len();
        prop_assume!(changed[at] != to);
        changed[at] = to;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(keys().verify(&changed, NOW_MS).is_err());
    }

    #[test]
    fn anything_may_come(text in "\\PC{0,100}") {
        prop_assert!(keys().verify(&text, NOW_MS).is_err());
    }
}
