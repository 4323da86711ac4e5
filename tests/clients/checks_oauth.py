"""Published OAuth libraries, `authlib` and `requests-oauthlib`: they get tokens, refresh them, revoke and introspect."""

import os
import time

import requests
import requests_oauthlib
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError, InvalidGrantError, WebApplicationClient
from requests.auth import HTTPBasicAuth
from servers import PATIENCE, Checks

# Without it, `oauthlib` sends nothing over plain HTTP, not even to this machine.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"


class OAuth(Checks):
    """Finds the endpoints as OAuth clients do."""

    header = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.metadata = cls.ask("GET", "/.well-known/oauth-authorization-server")
        cls.token_endpoint = cls.metadata["token_endpoint"]

    @classmethod
    def ask(cls, method, path, key=None):
        headers = {cls.header: cls.demo[key]} if key else {}
        response = requests.request(method, cls.server.url + path, headers=headers, timeout=PATIENCE)
        response.raise_for_status()
        return response.json()

    def begin(self, key="read"):
        """Returns the tokens of a new session of this key."""
        return self.ask("POST", "/v1/auth/token", key)

    def models(self, session):
        """Uses the access token, and returns None or the error code."""
        response = session.get(f"{self.server.url}/v1/models")
        if response.status_code == 200:
            return None
        self.assertEqual(response.status_code, 401)
        return self.error(response.headers, response.json())["code"]


class Authlib(OAuth):
    """Makes the clients of `authlib`."""

    # A client may leave its name out: the key identifies it.
    def client(self, key="read", name="", kind=OAuth2Session, **options):
        secret = key and self.demo.get(key, key)
        client = kind(name, secret, token_endpoint=self.token_endpoint, **options)
        self.addCleanup(client.close)
        return client

    def revoke(self, client, **options):
        response = client.revoke_token(self.metadata["revocation_endpoint"], **options)
        self.assertEqual((response.status_code, response.content), (200, b""))

    def introspect(self, client, token, **options):
        return client.introspect_token(self.metadata["introspection_endpoint"], token, **options).json()

    def refused(self, error, call, *arguments, **options):
        with self.assertRaises(OAuthError) as raised:
            call(*arguments, **options)
        self.assertEqual(raised.exception.error, error)


class AuthlibAtFreddy(Authlib):
    name = "freddy"
    header = "x-api-key"

    def test_the_metadata_are_valid(self):
        metadata = AuthorizationServerMetadata(self.metadata)
        # `authlib` takes the empty list for a missing one. No response type is right: there is no authorization endpoint.
        for name in set(metadata.REGISTRY_KEYS) - {"response_types_supported"}:
            with self.subTest(name):
                getattr(metadata, f"validate_{name}")()

    def test_a_key_gets_a_token(self):
        name = self.ask("GET", "/v1/me", "read")["key_id"]
        for method in ["client_secret_basic", "client_secret_post"]:
            client = self.client(name=name, token_endpoint_auth_method=method)
            with self.subTest(method):
                token = client.fetch_token(scope="read")
                self.assertEqual((token["scope"], "refresh_token" in token), ("read", False))
                self.assertIsNone(self.models(client))

    def test_a_refusal_is_told(self):
        for method in ["client_secret_basic", "client_secret_post"]:
            with self.subTest(method):
                ask = dict(token_endpoint_auth_method=method)
                self.refused("invalid_client", self.client("ak_" + "x" * 40, **ask).fetch_token)
                self.refused("invalid_client", self.client(name="stranger", **ask).fetch_token)
                self.refused("invalid_scope", self.client(**ask).fetch_token, scope="write")

    def test_an_expired_token_of_a_key_is_replaced(self):
        client = self.client()
        old = client.fetch_token()
        client.token = {**old, "expires_at": 1}
        self.assertIsNone(self.models(client))
        self.assertNotEqual(client.token["access_token"], old["access_token"])
        self.assertGreater(client.token["expires_at"], time.time())

    def test_a_token_is_refreshed(self):
        old = self.begin()
        for method in ["client_secret_basic", "client_secret_post"]:
            client = self.client(token=old, token_endpoint_auth_method=method)
            with self.subTest(method):
                new = client.refresh_token()
                self.assertNotIn(old["refresh_token"], new.values())
                self.assertIsNone(self.models(client))
                old = new

    def test_an_expired_token_is_refreshed(self):
        old, updates = self.begin(), []
        client = self.client(
            token={**old, "expires_at": 1}, update_token=lambda token, refresh_token: updates.append((token, refresh_token))
        )
        self.assertIsNone(self.models(client))
        self.assertIsNone(self.models(client))
        [(new, replaced)] = updates
        self.assertEqual(replaced, old["refresh_token"])
        self.assertEqual(new["refresh_token"], client.token["refresh_token"])

    def test_the_client_of_httpx_gets_refreshes_and_revokes(self):
        client = self.client(kind=OAuth2Client)
        client.fetch_token()
        self.assertIsNone(self.models(client))
        client.token = {**self.begin(), "expires_at": 1}
        self.assertIsNone(self.models(client))
        self.assertGreater(client.token["expires_at"], time.time())
        self.revoke(client)
        self.assertEqual(self.models(client), "TOKEN_INVALID")

    def test_a_user_needs_no_secret_to_refresh_and_revoke(self):
        old = self.log_in()
        client = self.client(None, "freddy", token={**old, "expires_at": 1})
        self.assertIsNone(self.models(client))
        self.assertNotEqual(client.token["refresh_token"], old["refresh_token"])
        self.revoke(client)
        self.assertEqual(self.models(client), "TOKEN_INVALID")
        self.refused("invalid_grant", client.refresh_token)

    def test_a_session_is_revoked_by_either_token(self):
        for kind in ["refresh_token", "access_token"]:
            for method in ["client_secret_basic", "client_secret_post"]:
                token = self.begin()
                client = self.client(token=token, revocation_endpoint_auth_method=method)
                with self.subTest(kind, method=method):
                    self.revoke(client, token=token[kind], token_type_hint=kind)
                    self.assertEqual(self.models(client), "TOKEN_INVALID")
                    # A token that is revoked again is no error.
                    self.revoke(client, token=token[kind], token_type_hint=kind)

    def test_the_session_of_a_revoked_refresh_token_has_ended(self):
        client = self.client(token=self.begin())
        self.revoke(client)
        self.refused("invalid_grant", client.refresh_token)

    def test_the_tokens_of_another_client_are_its_own(self):
        token = self.begin()
        self.refused("invalid_grant", self.client("write", token=token).refresh_token)
        refused = self.client("write").revoke_token(self.metadata["revocation_endpoint"], token["refresh_token"])
        self.assertEqual((refused.status_code, refused.json()["error"]), (400, "invalid_grant"))
        self.assertIsNone(self.models(self.client(token=token)))

    def test_tokens_are_introspected(self):
        token, owner = self.begin(), self.client()
        for method in ["client_secret_basic", "client_secret_post"]:
            admin = self.client("admin", token_endpoint_auth_method=method)
            with self.subTest(method):
                known = self.introspect(admin, token["access_token"])
                self.assertEqual((known["active"], known["scope"], known["token_type"]), (True, "read", "Bearer"))
                known = self.introspect(admin, token["refresh_token"], token_type_hint="refresh_token")
                self.assertEqual((known["active"], known["token_use"]), (True, "refresh_token"))
        self.revoke(owner, token=token["refresh_token"])
        for kind in ["access_token", "refresh_token"]:
            known = self.introspect(admin, token[kind], token_type_hint=kind)
            self.assertEqual(known, {"active": False})
        self.assertEqual(self.introspect(owner, token["access_token"])["error"], "unauthorized_client")


class AuthlibAtFreddyV0(Authlib):
    name = "freddy_v0"
    header = "api-key"

    def test_a_token_is_got_refreshed_and_revoked(self):
        client = self.client()
        client.fetch_token()
        self.assertIsNone(self.models(client))
        client.token = {**self.begin(), "expires_at": 1}
        self.assertIsNone(self.models(client))
        self.assertGreater(client.token["expires_at"], time.time())
        self.revoke(client)
        self.assertEqual(self.models(client), "TOKEN_INVALID")
        self.refused("invalid_grant", client.refresh_token)


class OauthlibAtFreddy(OAuth):
    name = "freddy"
    header = "x-api-key"

    def setUp(self):
        self.key = self.demo["read"]
        self.key_id = self.ask("GET", "/v1/me", "read")["key_id"]

    def session(self, client, **options):
        session = requests_oauthlib.OAuth2Session(client=client, **options)
        self.addCleanup(session.close)
        return session

    def with_tokens(self, **fields):
        """Returns a client with a new session that refreshes by itself, and the list of the tokens that it stores."""
        token, stored = {**self.begin(), **fields}, []
        session = self.session(
            WebApplicationClient(self.key_id, token=token),
            token=token,
            auto_refresh_url=self.token_endpoint,
            auto_refresh_kwargs={"client_id": self.key_id, "client_secret": self.key},
            token_updater=stored.append,
        )
        return session, token, stored

    def test_a_key_gets_a_token(self):
        for ask in [
            dict(auth=HTTPBasicAuth(self.key_id, self.key)),
            dict(include_client_id=True, client_secret=self.key),
            dict(client_secret=self.key),
        ]:
            session = self.session(BackendApplicationClient(self.key_id, scope=["read"]))
            with self.subTest(list(ask)):
                token = session.fetch_token(self.token_endpoint, timeout=PATIENCE, **ask)
                self.assertEqual((token["scope"], "refresh_token" in token), (["read"], False))
                self.assertIsNone(self.models(session))

    def test_a_refusal_is_told(self):
        session = self.session(BackendApplicationClient(self.key_id))
        for auth in [HTTPBasicAuth(self.key_id, "ak_" + "x" * 40), HTTPBasicAuth("stranger", self.key)]:
            with self.assertRaises(InvalidClientError):
                session.fetch_token(self.token_endpoint, auth=auth, timeout=PATIENCE)

    def test_an_expired_token_is_refreshed(self):
        session, old, stored = self.with_tokens(expires_in=-30)
        self.assertIsNone(self.models(session))
        self.assertIsNone(self.models(session))
        [new] = stored
        self.assertEqual(new, session.token)
        self.assertNotEqual(new["refresh_token"], old["refresh_token"])

    def test_a_session_is_refreshed_and_revoked(self):
        session, old, _ = self.with_tokens()
        new = session.refresh_token(self.token_endpoint, auth=None, timeout=PATIENCE)
        self.assertNotEqual(new["refresh_token"], old["refresh_token"])
        # The library says `token_type_hint=access_token` of every token, unless it is told otherwise.
        url, headers, body = WebApplicationClient(self.key_id).prepare_token_revocation_request(
            self.metadata["revocation_endpoint"], new["refresh_token"]
        )
        auth = HTTPBasicAuth(self.key_id, self.key)
        revoked = session.post(url, body, headers=headers, auth=auth, withhold_token=True, timeout=PATIENCE)
        self.assertEqual((revoked.status_code, revoked.content), (200, b""))
        self.assertEqual(self.models(session), "TOKEN_INVALID")
        with self.assertRaises(InvalidGrantError):
            session.refresh_token(self.token_endpoint, timeout=PATIENCE)
