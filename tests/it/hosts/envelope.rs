//! The envelope on every host: trace ids, and the shape that a client asks for.

use super::{Auth, READER, UNKNOWN, everywhere};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const SHOWN: &str = "0af76519-16cd-43dd-8448-eb211c80319c";

#[tokio::test]
async fn r160_every_answer_has_a_request_id_of_its_own() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let mut ids = Vec::new();
        for (path, key) in [("/v1/me", READER), ("/v1/me", UNKNOWN), ("/health", READER), ("/unknown", READER)] {
            let answer = case.with_key(path, key).await;
            let [id] = answer.header("x-request-id")[..] else { panic!("{case} {path} {answer:?}") };
            let hyphens: Vec<usize> = id.match_indices('-').map(|(at, _)| at).collect();
            assert_eq!((id.len(), hyphens), (36, vec![8, 13, 18, 23]), "{case} {id}");
            assert!(id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f' | '-')), "{case} {id}");
            if !answer.status.is_success() {
                assert_eq!(answer.json()["error"]["trace_id"], id, "{case} {path}");
                let time = answer.json()["error"]["timestamp"].as_str().unwrap().to_owned();
                let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
                assert_eq!(form, "0000-00-00T00:00:00Z", "{case} {path}");
            }
            assert!(!ids.contains(&id.to_owned()), "{case} {path}");
            ids.push(id.to_owned());
        }
    })
    .await;
}

#[tokio::test]
async fn r161_r163_r164_a_trace_is_continued_where_it_is_valid_and_one() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        let future = format!("cc{}-what-comes", &PARENT[2..]);
        for (lines, continued) in [
            (&[PARENT][..], true),
            (&[&future], true),
            (&[PARENT, PARENT], false),
            (&[&PARENT.to_ascii_uppercase()], false),
            (&["ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"], false),
            (&["00-00000000000000000000000000000000-b7ad6b7169203331-01"], false),
            (&["00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"], false),
            (&["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"], false),
            (&["nonsense"], false),
        ] {
            let headers: Vec<_> = lines.iter().map(|line| ("traceparent", *line)).collect();
            for path in ["/v1/me", "/health"] {
                let answer = case.get(path, &headers).await;
                assert_eq!(answer.header("x-request-id") == [SHOWN], continued, "{case} {lines:?}");
            }
        }
        // An id that a client made up otherwise is not taken over.
        let answer = case.get("/v1/me", &[("x-request-id", SHOWN)]).await;
        assert_ne!(answer.header("x-request-id"), [SHOWN], "{case}");
    })
    .await;
}

#[tokio::test]
async fn r153_r156_r157_r158_problem_details_for_who_asks() {
    let auth = Auth::new();
    everywhere(&auth, &auth.mount(), async |case| {
        for (path, key, status) in [("/v1/me", UNKNOWN, 401), ("/unknown", READER, 404), ("/v1//me", READER, 400)] {
            let headers = [("x-api-key", key), ("accept", "application/problem+json")];
            let answer = case.get(path, &headers).await;
            assert_eq!(answer.header("content-type"), ["application/problem+json"], "{case}");
            let problem = answer.json();
            assert_eq!((answer.status.as_u16(), &problem["status"]), (status, &status.into()), "{case}");
            for (name, value) in problem.as_object().unwrap() {
                let extension = name.len() >= 3 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                assert!(extension && name.starts_with(|c: char| c.is_ascii_alphabetic()), "{case} {name}");
                let texts = ["type", "title", "detail", "instance"];
                assert!(!texts.contains(&&**name) || value.is_string(), "{case} {problem}");
            }
            // Nobody is ever told 406.
            for accept in ["application/json", "*/*", "text/html", "image/png", "application/problem+json;q=0", ""] {
                let answer = case.get(path, &[("x-api-key", key), ("accept", accept)]).await;
                assert_eq!(answer.status, status, "{case} {accept}");
                assert_eq!(answer.header("content-type"), ["application/json"], "{case} {accept}");
            }
        }
    })
    .await;
}
