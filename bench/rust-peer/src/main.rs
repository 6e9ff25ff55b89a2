//! A webhook in Rust that the benchmark compares with the daemon: hyper, rustls and serde_json with structs that have only the fields
//! that a decision reads. It has no certificates to manage, no registration and no backstop.

mod answer;
mod decide;

use std::convert::Infallible;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const PATH: &str = "/modify-terraform-job";
const MOST_BYTES: usize = 20 << 20;

type Answer = Response<Full<Bytes>>;

async fn serve(request: Request<Incoming>) -> Result<Answer, Infallible> {
    if request.uri().path() != PATH {
        return Ok(text(StatusCode::NOT_FOUND, "not found"));
    }
    if request.method() != Method::POST {
        return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "method: must be POST"));
    }
    let is_json = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/json");
    if !request.headers().get(CONTENT_TYPE).is_some_and(is_json) {
        return Ok(text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Type: must be application/json",
        ));
    }
    let body = match Limited::new(request.into_body(), MOST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Ok(text(StatusCode::BAD_REQUEST, &error.to_string())),
    };
    Ok(match answer::answer(&body) {
        Ok(texts) => {
            if let Some(line) = texts.line {
                log(line);
            }
            reply(StatusCode::OK, "application/json", texts.answer.into())
        }
        Err(problem) => text(StatusCode::BAD_REQUEST, &problem),
    })
}

/// Writes a line at once. A webhook has nowhere to log that its log failed.
fn log(mut line: Vec<u8>) {
    line.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
}

fn text(status: StatusCode, text: &str) -> Answer {
    reply(status, "text/plain; charset=utf-8", format!("{text}\n").into())
}

fn reply(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

async fn run(port: u16, certificates: &str) -> Result<(), Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(format!("{certificates}/tls.crt"))?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(format!("{certificates}/tls.key"))?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that ends its connection or fails the handshake concerns no other client.
            if let Ok(socket) = acceptor.accept(socket).await {
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service_fn(serve))
                    .await;
            }
        });
    }
}

/// Returns the value of an option that is written as `--name=value`.
fn option(name: &str) -> Result<String, String> {
    let found = std::env::args().find_map(|text| text.strip_prefix(name)?.strip_prefix('=').map(str::to_string));
    found.ok_or_else(|| format!("{name}: required"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (port, certificates) = (option("--port")?.parse()?, option("--certificates")?);
    // One thread, because the benchmark gives each server one core.
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(run(port, &certificates))
}
