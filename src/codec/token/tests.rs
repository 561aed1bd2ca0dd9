use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::limits::{MAX_PATTERNS, MAX_UNIX_MS};

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
fn verify_with(keys: &Keys, header: &Header, claims: &Value) -> Result<Claims, TokenError> {
    let key = EncodingKey::from_secret(SECRET.trim_ascii_end());
    keys.verify(&encode(header, claims, &key).unwrap(), NOW_MS)
}

fn verify(keys: &Keys, claims: &Value) -> Result<Claims, TokenError> {
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
    assert_eq!(keys().verify(&other, NOW_MS), Err(TokenError::Signature));
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
    assert_eq!(with("exp", json!(1000)), Err(TokenError::Expired));
    assert_eq!(with("exp", json!(1000.5)), Ok(()));
    assert_eq!(with("exp", json!(-1)), Err(TokenError::Expired));
    for never in [json!(1e300), json!(1_u64 << 63), json!(u64::MAX)] {
        assert_eq!(with("exp", never), Ok(()));
    }
    assert_eq!(with("nbf", json!(1029)), Ok(()), "clocks differ");
    assert_eq!(with("nbf", json!(1031)), Err(TokenError::NotYet));
}

#[test]
fn what_has_to_be_there() {
    for (name, claim) in [("sub", Claim::Sub), ("exp", Claim::Exp)] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(verify(&keys(), &claims), Err(TokenError::Missing(claim)));
        claims[name] = Value::Null;
        let refused = verify(&keys(), &claims).unwrap_err();
        assert_eq!(refused, TokenError::Missing(claim));
        assert!(refused.message().contains(&format!("no {name}")));
    }
}

#[test]
fn a_refusal_names_the_claim_that_is_wrong() {
    let list = json!(["tea", 7]);
    for (name, claim, wrong) in [
        ("sub", Claim::Sub, [json!(7), json!(["a"])]),
        ("exp", Claim::Exp, [json!("1001"), json!({})]),
        ("nbf", Claim::Nbf, [json!("now"), json!(true)]),
        ("iat", Claim::Iat, [json!("now"), json!([])]),
        ("aud", Claim::Aud, [json!(7), list.clone()]),
        ("subscribe", Claim::Subscribe, [json!("tea"), list.clone()]),
        ("publish", Claim::Publish, [json!({}), list.clone()]),
        ("admin", Claim::Admin, [json!("true"), json!(1)]),
    ] {
        for value in wrong {
            let mut claims = claims();
            claims[name] = value;
            let refused = verify(&keys(), &claims).unwrap_err();
            assert_eq!(refused, TokenError::Type(claim), "{claims}");
            let message = refused.message();
            assert!(message.contains(&format!("token's {name} ")), "{message}");
        }
    }
}

#[test]
fn a_claim_that_is_null_is_not_there() {
    let mut claims = json!({"sub": "alice", "exp": 1001});
    let without = verify(&keys(), &claims).unwrap();
    for name in ["nbf", "iat", "aud", "subscribe", "publish", "admin"] {
        claims[name] = Value::Null;
    }
    assert_eq!(verify(&keys(), &claims), Ok(without));
}

/// What is told of a token's end is a number that everyone can read, however far away it is.
#[test]
fn no_end_is_beyond_what_is_told() {
    for (exp, told) in [
        (1e300, MAX_UNIX_MS),
        (9.3e18, MAX_UNIX_MS),
        (2e9, 2_000_000_000_000),
        (1_000.25, 1_000_250),
    ] {
        let mut claims = claims();
        claims["exp"] = json!(exp);
        let told_of = verify(&keys(), &claims).unwrap().expires_unix_ms();
        assert_eq!(told_of, told, "{exp}");
    }
    let key = EncodingKey::from_secret(SECRET.trim_ascii_end());
    let signed = format!(
        "{}.{}",
        part(&json!({"alg": "HS256"})),
        BASE64URL_NOPAD.encode(br#"{"sub":"alice","exp":1e999}"#)
    );
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
    let refused = keys().verify(&format!("{signed}.{signature}"), NOW_MS);
    assert_eq!(refused, Err(TokenError::Type(Claim::Exp)));
}

#[test]
fn patterns_are_bounded() {
    let with = |count: usize| {
        let mut claims = claims();
        claims["publish"] = json!(vec!["a*"; count]);
        verify(&keys(), &claims).map(|_| ())
    };
    assert_eq!(with(MAX_PATTERNS - 1), Ok(()), "one is to subscribe");
    assert_eq!(with(MAX_PATTERNS), Err(TokenError::Patterns));
    let words = format!("more than {MAX_PATTERNS} patterns");
    assert!(TokenError::Patterns.message().contains(&words));
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
        Err(TokenError::Audience)
    );
    let mut ours = Keys::new(Some("ours".to_owned()));
    ours.add_secret(SECRET).unwrap();
    assert_eq!(taken(&ours, &for_whom(json!("ours"))), Ok(()));
    assert_eq!(taken(&ours, &for_whom(json!(["theirs", "ours"]))), Ok(()));
    for wrong in [json!("theirs"), json!([]), json!(["theirs"]), Value::Null] {
        assert_eq!(
            taken(&ours, &for_whom(wrong.clone())),
            Err(TokenError::Audience),
            "{wrong}"
        );
    }
    assert_eq!(taken(&ours, &claims()), Err(TokenError::Audience));
}

#[test]
fn no_algorithm_but_that_of_the_key() {
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let header = Header::new(algorithm);
        assert_eq!(
            verify_with(&keys(), &header, &claims()),
            Err(TokenError::Algorithm)
        );
    }
    for alg in ["none", "None", "RS256", "ES256", "EdDSA", ""] {
        let token = format!("{}.{}.", part(&json!({"alg": alg})), part(&claims()));
        assert_eq!(
            keys().verify(&token, NOW_MS),
            Err(TokenError::Algorithm),
            "{alg}"
        );
    }
}

/// Ed25519 has two names (RFC 9864), in tokens and in keys.
#[test]
fn both_names_of_ed25519_are_taken() {
    let der = data_encoding::BASE64.decode(ED25519.as_bytes()).unwrap();
    let key = EncodingKey::from_ed_der(&der);
    let mut jwk =
        serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap()).unwrap();
    for in_set in [json!("EdDSA"), json!("Ed25519"), Value::Null] {
        jwk["alg"] = in_set.clone();
        let mut keys = Keys::new(None);
        let set = json!({"keys": [jwk]}).to_string();
        assert_eq!(keys.add_jwks(set.as_bytes()), Ok(vec![]), "{in_set}");
        for (alg, expected) in [
            ("EdDSA", Ok("alice")),
            ("Ed25519", Ok("alice")),
            ("Ed448", Err(TokenError::Algorithm)),
            ("ed25519", Err(TokenError::Algorithm)),
        ] {
            let signed = format!("{}.{}", part(&json!({"alg": alg})), part(&claims()));
            let signature =
                jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::EdDSA).unwrap();
            let verified = keys.verify(&format!("{signed}.{signature}"), NOW_MS);
            let sub = verified.as_ref().map(|claims| claims.sub.as_str());
            assert_eq!(sub.map_err(|refused| *refused), expected, "{alg}");
        }
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
        assert_eq!(keys.verify(&forged, NOW_MS), Err(TokenError::Algorithm));
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
    assert_eq!(signed(&second, Some("c")), Err(TokenError::UnknownKey));
}

#[test]
fn key_sets_that_are_of_no_use() {
    let error = |json: &str| Keys::new(None).add_jwks(json.as_bytes()).unwrap_err();
    assert!(error("{").contains("JSON Web Key Set") && error("{").contains("not JSON"));
    for other in ["{}", "[]", "7", r#"{"keys":{}}"#, r#"{"keys":null}"#] {
        assert!(
            error(other).contains("no list \"keys\""),
            "{}",
            error(other)
        );
    }
    for no_list in [r#"{"kty":"RSA","key_ops":7}"#, r#"{"kty":"RSA","x5c":{}}"#] {
        let error = error(&format!("{{\"keys\":[{no_list}]}}"));
        assert!(
            error.contains("RFC 7517") && !error.contains("struct"),
            "{error}"
        );
    }
    assert!(error(r#"{"keys":[]}"#).contains("no key"));
    let secret = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}]}"#;
    assert!(error(secret).contains("no key"));
    let short = r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#;
    assert!(error(short).contains("2048 bits"));
    let point = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}]}"#;
    assert!(error(point).contains("wrong length"));
    let encryption = r#"{"keys":[{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"}]}"#;
    assert!(error(encryption).contains("no key"));
    assert!(error(r#"{"keys":[7]}"#).contains("key 1: it is not an object"));
}

/// Keys that cannot be used do not keep the others from being used (RFC 7517 section 5).
#[test]
fn bad_keys_in_a_set_are_passed_over() {
    let der = data_encoding::BASE64.decode(ED25519.as_bytes()).unwrap();
    let key = EncodingKey::from_ed_der(&der);
    let good =
        serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap()).unwrap();
    let x = good["x"].as_str().unwrap();
    let short_rsa = BASE64URL_NOPAD.encode(&[0xff; 128]);
    let bad = [
        (json!({"kty": "RSA", "n": short_rsa, "e": "AQAB"}), "2048"),
        (
            json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": 7}),
            "\"kid\" is not a string",
        ),
        (
            json!({"kty": "OKP", "crv": "Ed25519", "x": format!("{x}=")}),
            "",
        ),
        (json!({"kty": "OKP", "crv": "Ed25519"}), "missing"),
        (json!({"kty": "RSA", "e": "AQAB"}), "missing"),
        (
            json!({"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}),
            "length",
        ),
        (json!({"kid": "no type"}), "missing"),
        (json!(null), "not an object"),
        (json!([]), "not an object"),
    ];
    for (bad, why) in &bad {
        let mut keys = Keys::new(None);
        let set =
            json!({"keys": [bad, good, {"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"}]});
        let passed_over = keys.add_jwks(set.to_string().as_bytes()).unwrap();
        assert_eq!(passed_over.len(), 1, "{bad}: {passed_over:?}");
        assert!(passed_over[0].starts_with("key 1: ") && passed_over[0].contains(why));
        let token = encode(&Header::new(Algorithm::EdDSA), &claims(), &key).unwrap();
        assert!(keys.verify(&token, NOW_MS).is_ok(), "{bad}");
        let alone = json!({"keys": [bad]}).to_string();
        let error = Keys::new(None).add_jwks(alone.as_bytes()).unwrap_err();
        assert!(error.contains("no key") && error.contains(why), "{error}");
    }
}

/// Also those that are no JSON that could be read.
#[test]
fn unreadable_keys_in_a_set_are_passed_over() {
    let der = data_encoding::BASE64.decode(ED25519.as_bytes()).unwrap();
    let key = EncodingKey::from_ed_der(&der);
    let good = serde_json::to_string(&Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap());
    let good = good.unwrap();
    let deep = format!("{}{}", "[".repeat(150), "]".repeat(150));
    for bad in [
        r#"{"kty":"RSA","kid":"\ud800"}"#,
        r#"{"kty":"OKP","x":1e999}"#,
        &deep,
    ] {
        let mut keys = Keys::new(None);
        let set = format!("\u{feff}{{\"keys\":[{bad},{good}]}}");
        let passed_over = keys.add_jwks(set.as_bytes()).unwrap();
        assert_eq!(passed_over.len(), 1, "{bad}: {passed_over:?}");
        let token = encode(&Header::new(Algorithm::EdDSA), &claims(), &key).unwrap();
        assert!(keys.verify(&token, NOW_MS).is_ok(), "{bad}");
    }
}

#[test]
fn what_is_no_token() {
    let long = "a".repeat(MAX_TOKEN + 1);
    assert_eq!(keys().verify(&long, NOW_MS), Err(TokenError::TooLong));
    assert!(
        TokenError::TooLong
            .message()
            .contains(&MAX_TOKEN.to_string())
    );
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
            Err(TokenError::Malformed),
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
