//! What clients tell besides a path: forms, cookies and preferences, each shown back.
//!
//! | route | shows |
//! |---|---|
//! | `POST /form` | the fields of a form of either kind, as JSON; of files their length and digest |
//! | `GET /cookies`, `POST /cookies`, `DELETE /cookies/{name}` | cookies read, set and forgotten |
//! | `GET /negotiate` | a greeting in the media type and the language that suits best |

use serde::Serialize;
use sha1_smol::Sha1;

use crate::session::http::{Answered, Reply, Writer};
use crate::web::cookie::{self, Cookie, SameSite};
use crate::web::form::{self, Form};
use crate::web::json;
use crate::web::multipart::{self, Event, Fault, Part, Receiver};
use crate::web::negotiate;
use crate::web::problem::Problem;
use crate::web::router::{Request, Router};

/// Bytes of a form without files.
const FORM_BYTES: usize = 256 * 1024;
/// Bytes of a form with files, and of each of them.
const UPLOAD_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of all fields together that are shown.
const SHOWN_BYTES: usize = 256 * 1024;
/// For how long a cookie is kept.
const DAY: time::Duration = time::Duration::DAY;

pub(super) fn routes(router: Router) -> Router {
    router
        .post("/form", take_form)
        .get("/cookies", show_cookies)
        .post("/cookies", set_cookies)
        .delete("/cookies/{name}", forget_cookie)
        .get("/negotiate", greet)
}

/// A field of a form, as it is shown.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Field {
    Text {
        name: String,
        value: String,
    },
    File {
        name: String,
        file: String,
        #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        bytes: u64,
        sha1: String,
    },
}

#[derive(Serialize)]
struct Fields {
    fields: Vec<Field>,
}

fn take_form(request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    if form::is_form(request) {
        return form::read(request, reply, FORM_BYTES, |form, writer| {
            let fields = form.pairs.into_iter().map(|(name, value)| Field::Text { name, value });
            json::send(writer, 200, &Fields { fields: fields.collect() });
        });
    }
    if !multipart::is_form(request) {
        let accept = "application/x-www-form-urlencoded, multipart/form-data";
        return Problem::new(415, "Unsupported Media Type")
            .detail("the body must be a form")
            .field("Accept", accept)
            .answer(reply);
    }
    let limits = multipart::Options {
        file_bytes: UPLOAD_BYTES,
        body_bytes: UPLOAD_BYTES,
        ..multipart::Options::default()
    };
    multipart::read(request, reply, limits, Upload::default())
}

/// A form with files on its way in. Files are not kept.
#[derive(Default)]
struct Upload {
    fields: Vec<Field>,
    part: Part,
    text: Vec<u8>,
    kept: usize,
    bytes: u64,
    digest: Sha1,
}

impl Receiver for Upload {
    fn on_event(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Part(part) => {
                self.text.clear();
                self.bytes = 0;
                self.digest.reset();
                self.part = part;
            }
            Event::Data(data) if self.part.file_name.is_some() => {
                self.bytes += data.len() as u64;
                self.digest.update(data);
            }
            Event::Data(data) => {
                self.kept += data.len();
                if self.kept > SHOWN_BYTES {
                    return Err(Fault::TooLarge("bytes of fields", SHOWN_BYTES as u64));
                }
                self.text.extend_from_slice(data);
            }
            Event::End => self.end_part()?,
        }
        Ok(())
    }

    fn on_end(self, writer: &mut Writer<'_, '_>) {
        json::send(writer, 200, &Fields { fields: self.fields });
    }
}

impl Upload {
    fn end_part(&mut self) -> Result<(), Fault> {
        let Part { name, file_name, content_type } = std::mem::take(&mut self.part);
        self.fields.push(match file_name {
            Some(file) => {
                let (bytes, sha1) = (self.bytes, self.digest.digest().to_string());
                Field::File { name, file, content_type, bytes, sha1 }
            }
            None => {
                let value = String::from_utf8(std::mem::take(&mut self.text))
                    .map_err(|_| Fault::Malformed("a field is not UTF-8"))?;
                Field::Text { name, value }
            }
        });
        Ok(())
    }
}

fn show_cookies(request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    let all: Vec<_> = cookie::all(request)
        .map(|(name, value)| Field::Text { name: name.into(), value: value.into() })
        .collect();
    json::answer(reply.with("Cache-Control", "no-store"), 200, &all)
}

/// Sets a cookie for each field of a form, if it is a form of our own.
fn set_cookies(request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    // Browsers let the forms of any page in the world be sent here, and say so.
    if request.header("sec-fetch-site").is_some_and(|from| from == b"cross-site") {
        return Problem::new(403, "Forbidden").detail("from another site").answer(reply);
    }
    let is_secure = reply.tls().is_some();
    form::read(request, reply, 4096, move |form, writer| match values(&form, is_secure) {
        Ok(values) => {
            let fields: Vec<(&str, &[u8])> =
                values.iter().map(|value| ("Set-Cookie", value.as_bytes())).collect();
            writer.send(204, &fields, b"");
        }
        Err(unfit) => {
            Problem::new(422, "Unprocessable Content").detail(unfit.to_string()).send(writer)
        }
    })
}

fn values(form: &Form, is_secure: bool) -> Result<Vec<String>, cookie::Unfit> {
    let one = |(name, value): &(String, String)| {
        let cookie = Cookie::build((name, value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(is_secure)
            .max_age(DAY);
        cookie::set(&cookie.build())
    };
    form.pairs.iter().map(one).collect()
}

fn forget_cookie(request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    match cookie::forget(request.param("name").unwrap_or(""), "/") {
        Ok(value) => reply.send(204, &[("Set-Cookie", value.as_bytes())], b""),
        Err(unfit) => {
            Problem::new(422, "Unprocessable Content").detail(unfit.to_string()).answer(reply)
        }
    }
}

/// The languages of the greeting, the default first.
const GREETINGS: [(&str, &str); 4] =
    [("en", "Hello!"), ("de", "Hallo!"), ("fr", "Bonjour !"), ("ja", "こんにちは")];

/// The media types of the greeting, the default first.
const MEDIA_TYPES: [&str; 3] =
    ["text/plain; charset=utf-8", "text/html; charset=utf-8", "application/json"];

fn greet(request: &Request<'_>, reply: Reply<'_, '_>) -> Answered {
    let languages = GREETINGS.map(|(language, _)| language);
    let accept = request.headers().values("accept");
    let reply = reply.with("Vary", "Accept, Accept-Language");
    let Some(media_type) = negotiate::media(accept, &MEDIA_TYPES) else {
        return Problem::new(406, "Not Acceptable")
            .with("available", MEDIA_TYPES.to_vec())
            .answer(reply);
    };
    let asked = request.headers().values("accept-language");
    // A greeting in the wrong language is better than none.
    let language = negotiate::language(asked, &languages).unwrap_or(0);
    let (language, words) = GREETINGS.get(language).copied().unwrap_or(("en", "Hello!"));
    let kind = MEDIA_TYPES.get(media_type).copied().unwrap_or("");
    let text = match media_type {
        0 => format!("{words}\n"),
        1 => format!("<!doctype html><html lang=\"{language}\"><title>{words}</title><p>{words}\n"),
        _ => serde_json::json!({ "language": language, "greeting": words }).to_string(),
    };
    let fields = [("Content-Type", kind.as_bytes()), ("Content-Language", language.as_bytes())];
    reply.send(200, &fields, text.as_bytes())
}
