//! The cache of identities below every client of the AWS SDK, used as its orchestrator uses it: the identity out of
//! the cache, then the signer of the bearer scheme.

use std::{
    hint::black_box,
    time::{Duration, SystemTime},
};

use aws_smithy_async::{rt::sleep::TokioSleep, time::SystemTimeSource};
use aws_smithy_runtime::client::{
    auth::http::BearerAuthScheme, identity::IdentityCache,
    orchestrator::endpoints::StaticUriEndpointResolver, retries::strategy::NeverRetryStrategy,
};
use aws_smithy_runtime_api::client::{
    auth::{
        AuthScheme, AuthSchemeEndpointConfig, http::HTTP_BEARER_AUTH_SCHEME_ID,
        static_resolver::StaticAuthSchemeOptionResolver,
    },
    identity::{ResolveCachedIdentity, http::Token},
    orchestrator::HttpRequest,
    runtime_components::{GetIdentityResolver, RuntimeComponents},
};
use aws_smithy_types::{body::SdkBody, config_bag::ConfigBag};
use futures_util::FutureExt;

use crate::{
    Over, Peer, Rounds, SHAPE,
    rig::{ACCESS_TOKEN, HOST, arrivals::arrived},
    runtime,
};

pub(crate) const PEERS: [Peer; 1] = [Peer {
    name: "aws-smithy-runtime",
    package: Some("aws-smithy-runtime"),
    does: "cached token, no host; single-flight refresh ahead of expiry, no resend",
    over: Over::Aws,
    aims: false,
    set_up: || {
        let runtime = runtime();
        let components = components();
        let config = ConfigBag::base();
        let scheme = BearerAuthScheme::new();
        Box::new(move |rounds| {
            let _entered = runtime.enter();
            for _ in 0..rounds {
                let mut request = request();
                let resolver = components.identity_resolver(HTTP_BEARER_AUTH_SCHEME_ID).unwrap();
                let cache = components.identity_cache();
                let identity = cache.resolve_cached_identity(resolver, &components, &config);
                let identity = identity.now_or_never().expect("cached").unwrap();
                let endpoint = AuthSchemeEndpointConfig::empty();
                scheme
                    .signer()
                    .sign_http_request(&mut request, &identity, endpoint, &components, &config)
                    .unwrap();
                send(request);
            }
        })
    },
}];

/// What a client is made of; what does not deal with identities is there as it must be.
fn components() -> RuntimeComponents {
    let token = Token::new(ACCESS_TOKEN, Some(SystemTime::now() + Duration::from_secs(24 * 60 * 60)));
    RuntimeComponents::builder("bench")
        .with_auth_scheme(BearerAuthScheme::new())
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![
            HTTP_BEARER_AUTH_SCHEME_ID,
        ])))
        .with_endpoint_resolver(Some(StaticUriEndpointResolver::uri(format!("https://{HOST}"))))
        .with_identity_cache(Some(IdentityCache::lazy().build()))
        .with_identity_resolver(HTTP_BEARER_AUTH_SCHEME_ID, token)
        .with_retry_strategy(Some(NeverRetryStrategy::new()))
        .with_sleep_impl(Some(TokioSleep::new()))
        .with_time_source(Some(SystemTimeSource::new()))
        .build()
        .unwrap()
}

/// The request of the others, of the SDK's kind.
fn request() -> HttpRequest {
    SHAPE.request().map(|_| SdkBody::empty()).try_into().unwrap()
}

fn send(request: HttpRequest) {
    arrived(|| (request.headers().get("authorization").map(str::as_bytes), None));
    black_box(request);
}

/// The same without a token.
pub(crate) fn base() -> Rounds {
    Box::new(|rounds| {
        for _ in 0..rounds {
            send(request());
        }
    })
}
