"""Freddy's and Aitronos' own client, `aitronos-sdk`. It always sends `x-api-key`, and a bearer token too if it has one."""

import datetime
import inspect

import httpx
from aitronos import Aitronos
from aitronos.core.api_error import ApiError
from aitronos.errors import UnprocessableEntityError
from aitronos.responses.client import ResponsesClient
from pydantic import ValidationError
from servers import Checks, Server, recorder


class AitronosChecks(Checks):
    def client(self, key, token=None, server=None, **options):
        server = server or self.server
        return Aitronos(
            api_key=server.demo.get(key, key),
            token=token and server.demo.get(token, token),
            base_url=server.url,
            **options,
        )

    def told(self, status, call, kind=ApiError):
        with self.assertRaises(ApiError) as raised:
            call()
        self.assertIs(type(raised.exception), kind)
        exception = raised.exception
        self.assertEqual(exception.status_code, status)
        return self.error(exception.headers, exception.body)["code"]


class Common:
    """Checks for both servers."""

    def test_models_are_listed(self):
        models = self.client("read").models.list_models(include_pricing=True, ui_models_only=False)
        self.assertEqual(models.total_count, len(models.models))
        self.assertTrue(models.models[0].key)

    def test_no_request_is_redirected(self):
        answers = []
        http = httpx.Client(follow_redirects=True, event_hooks=recorder(answers))
        client = self.client("read", httpx_client=http)
        self.use(client)
        self.assertEqual([answer.status_code for _, answer in answers], [200])

    def test_a_used_up_limit_without_retries_is_429(self):
        with Server(self.name) as server:
            client = self.client("limited", server=server)

            def ask_often():
                for _ in range(50):
                    self.use(client, request_options={"max_retries": 0})

            self.assertEqual(self.told(429, ask_often), "RATE_LIMIT_EXCEEDED")

    def test_a_used_up_limit_is_waited_for_as_told(self):
        with Server(self.name) as server:
            answers = []
            http = httpx.Client(event_hooks=recorder(answers))
            client = self.client("limited", server=server, httpx_client=http)

            def use_up():
                with self.assertRaises(ApiError):
                    for _ in range(50):
                        self.use(client, request_options={"max_retries": 0})

            self.waits_as_told(use_up, lambda: self.use(client), answers)


class AitronosClientAtFreddy(Common, AitronosChecks):
    name = "freddy"

    def use(self, client, **options):
        return client.models.list_models(**options)

    def keys(self, key="admin"):
        return self.client(key).api_keys

    @property
    def organization(self):
        return self.demo["organization"]

    def create(self, **fields):
        return self.keys().create_api_key(self.organization, key_name="ci", **fields)

    def code_of(self, secret):
        """Returns the error for the key, or None for a good key."""
        try:
            self.client(secret).models.list_models()
        except ApiError as refused:
            self.assertEqual(refused.status_code, 401)
            return self.error(refused.headers, refused.body)["code"]

    def test_key_and_token_together_are_normal(self):
        self.assertTrue(self.client("read", "token").models.list_models().models)

    def test_of_key_and_token_the_token_decides(self):
        self.assertTrue(self.client("ak_" + "x" * 40, "token").models.list_models().models)
        self.assertTrue(self.client("revoked", "token").models.list_models().models)
        self.told(401, self.client("read", "expired_token").models.list_models)

    def test_an_empty_key_is_as_good_as_absent(self):
        self.assertTrue(self.client("", "token").models.list_models().models)
        self.assertEqual(self.told(401, self.client("").models.list_models), "AUTHENTICATION_REQUIRED")

    def test_every_kind_of_bad_key_is_the_typed_error(self):
        codes = {
            "expired": "API_KEY_EXPIRED",
            "paused": "API_KEY_PAUSED",
            "deactivated": "API_KEY_DEACTIVATED",
            "revoked": "INVALID_API_KEY",
            "suspended": "ACCOUNT_SUSPENDED",
            "ak_" + "x" * 40: "INVALID_API_KEY",
        }
        for key, code in codes.items():
            self.assertEqual(self.told(401, self.client(key).models.list_models), code, key)

    def test_a_key_that_may_not_read_is_403(self):
        self.assertEqual(self.told(403, self.client("webhook").models.list_models), "INSUFFICIENT_PERMISSIONS")

    def test_keys_are_listed(self):
        listed = self.keys().list_api_keys(self.organization)
        self.assertGreater(listed.total, 5)
        self.assertEqual(len({key.id for key in listed.keys}), min(listed.total, listed.page_size))
        everything = self.keys().list_api_keys(self.organization, page_size=100)
        self.assertIn("read", [key.key_name for key in everything.keys])

    def test_keys_are_listed_by_page(self):
        pages = [self.keys().list_api_keys(self.organization, page=page, page_size=2) for page in [1, 2]]
        self.assertEqual([(len(page.keys), page.page, page.page_size) for page in pages], [(2, 1, 2), (2, 2, 2)])
        self.assertEqual(len({key.id for page in pages for key in page.keys}), 4)

    def test_keys_are_listed_by_skip_and_take(self):
        everything = self.keys().list_api_keys(self.organization, page=1, page_size=100).keys
        some = self.keys().list_api_keys(self.organization, skip=1, take=2).keys
        self.assertEqual([key.id for key in some], [key.id for key in everything[1:3]])

    def test_a_key_is_created_with_every_field(self):
        end = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=2)
        new = self.create(scopes=["read"], expires_at=end, usage_limit_chf=2.5, metadata={"deletable": False})
        self.assertEqual((new.key_name, new.scopes, new.expires_at), ("ci", ["read"], end))
        self.assertEqual(new.organization_id, self.organization)
        self.assertTrue(new.is_active)
        self.assertIsNone(self.code_of(new.key))

    def test_a_key_is_created_with_null_for_every_optional_field(self):
        new = self.create(scopes=None, expires_at=None, usage_limit_chf=None, metadata=None)
        self.assertIsNone(new.expires_at)
        self.assertIsNone(self.code_of(new.key))

    def test_a_key_is_read_without_its_secret(self):
        new = self.create()
        read = self.keys().get_api_key(self.organization, new.id)
        self.assertEqual((read.id, read.key_name, read.key_prefix), (new.id, "ci", new.key_prefix))
        self.assertNotIn(new.key, read.json())

    def test_a_key_is_changed(self):
        new = self.create()
        changed = self.keys().update_api_key(self.organization, new.id, key_name="cd", scopes=["read", "write"])
        self.assertEqual((changed.key_name, changed.scopes), ("cd", ["read", "write"]))

    def test_a_key_is_changed_with_null_for_what_stays(self):
        new = self.create()
        changed = self.keys().update_api_key(
            self.organization, new.id, key_name="cd", scopes=None, expires_at=None, usage_limit_chf=None
        )
        self.assertEqual((changed.key_name, changed.scopes), ("cd", new.scopes))

    def test_a_key_is_deactivated_and_activated(self):
        new = self.create()
        off = self.keys().deactivate_api_key(self.organization, new.id)
        self.assertTrue(off.success and off.message)
        self.assertEqual(self.code_of(new.key), "API_KEY_DEACTIVATED")
        on = self.keys().activate_api_key(self.organization, new.id)
        self.assertTrue(on.success and on.message)
        self.assertIsNone(self.code_of(new.key))
        self.assertEqual((off.key.is_active, on.key.is_active), (False, True))

    def test_a_key_is_paused_and_unpaused(self):
        new = self.create()
        off = self.keys().pause_api_key(self.organization, new.id)
        self.assertTrue(off.success and off.message)
        self.assertEqual(self.code_of(new.key), "API_KEY_PAUSED")
        on = self.keys().unpause_api_key(self.organization, new.id)
        self.assertTrue(on.success and on.message)
        self.assertIsNone(self.code_of(new.key))
        self.assertEqual((off.key.is_paused, on.key.is_paused), (True, False))

    def test_a_key_is_rotated(self):
        old = self.create()
        rotated = self.keys().rotate_api_key(self.organization, old.id)
        self.assertTrue(rotated.success and rotated.message)
        self.assertEqual(rotated.old_key_id, old.id)
        self.assertEqual((rotated.new_key.key_name, rotated.new_key.scopes), (old.key_name, old.scopes))
        self.assertIsNone(self.code_of(rotated.new_key.key))

    def test_a_key_is_deleted(self):
        new = self.create()
        gone = self.keys().delete_api_key(self.organization, new.id)
        self.assertTrue(gone.success and gone.message)
        self.assertEqual(self.code_of(new.key), "INVALID_API_KEY")
        self.told(404, lambda: self.keys().get_api_key(self.organization, new.id))

    def test_to_delete_a_key_twice_is_no_error(self):
        """The client's documentation says: "Soft delete an API key (idempotent)"."""
        new = self.create()
        for _ in range(2):
            self.assertTrue(self.keys().delete_api_key(self.organization, new.id).success)

    def test_an_unknown_scope_is_422(self):
        self.told(422, lambda: self.create(scopes=["reed"]), UnprocessableEntityError)

    def test_an_unknown_field_is_422(self):
        options = {"additional_body_parameters": {"keyname": "x"}}
        self.told(422, lambda: self.create(request_options=options), UnprocessableEntityError)

    def test_who_is_no_admin_is_403(self):
        self.told(403, lambda: self.keys("read").list_api_keys(self.organization))

    def test_another_organization_is_403(self):
        self.told(403, lambda: self.keys().list_api_keys(self.demo["other_organization"]))

    def test_a_session_is_refreshed(self):
        old = self.log_in()["refresh_token"]
        # A client refreshes when its token has expired, and still sends it.
        new = self.client("", "expired_token").authentication.refresh_token(refresh_token=old)
        self.assertEqual((new.token_type, new.refresh_token == old), ("Bearer", False))
        self.assertTrue(self.client("", new.access_token).models.list_models().models)

    def test_a_log_out_ends_the_session(self):
        tokens = self.log_in()
        client = self.client("", tokens["access_token"])
        self.assertTrue(client.authentication.logout(refresh_token=tokens["refresh_token"]).logged_out_at)
        again = lambda: client.authentication.refresh_token(refresh_token=tokens["refresh_token"])
        self.assertEqual(self.told(401, again), "TOKEN_INVALID")
        self.assertEqual(self.told(401, client.models.list_models), "TOKEN_INVALID")


class AitronosClientAtAitronos(Common, AitronosChecks):
    name = "aitronos"

    def use(self, client, organization="organization", **parameters):
        return client.responses.create_response(
            organization_id=self.demo[organization],
            model="gpt-4o",
            inputs=[{"role": "user", "content": "Hello!"}],
            **parameters,
        )

    def ask(self, key="read", **parameters):
        return self.use(self.client(key), **parameters)

    def test_a_response_is_created_as_documented(self):
        self.assertEqual(self.ask()["response"][0]["text"], "Hello! How can I help you today?")

    def test_null_is_as_good_as_absent(self):
        self.assertTrue(self.ask(thread_id=None, temperature=None, stream=None, metadata=None)["success"])

    def test_every_parameter_of_the_client_is_known(self):
        theirs = {"self", "inputs", "organization_id", "model", "request_options"}
        names = inspect.signature(ResponsesClient.create_response).parameters.keys() - theirs
        self.assertGreater(len(names), 15)
        try:
            self.ask(**dict.fromkeys(names))
        except ApiError as refused:
            self.fail(f"{refused.status_code}: {refused.body['error']}")

    def test_a_wrong_key_is_the_typed_error(self):
        self.assertEqual(self.told(401, lambda: self.ask("ak_" + "x" * 40)), "INVALID_API_KEY")

    def test_an_expired_key_is_the_typed_error(self):
        self.assertEqual(self.told(401, lambda: self.ask("expired")), "INVALID_API_KEY")

    def test_an_empty_key_is_the_typed_error(self):
        self.assertEqual(self.told(401, lambda: self.ask("")), "INVALID_API_KEY")

    def test_another_organization_is_403(self):
        told = self.told(403, lambda: self.ask(organization="other_organization"))
        self.assertEqual(told, "INSUFFICIENT_PERMISSIONS")

    def test_an_unknown_field_is_422(self):
        options = {"additional_body_parameters": {"temprature": 1}}
        self.told(422, lambda: self.ask(request_options=options), UnprocessableEntityError)
