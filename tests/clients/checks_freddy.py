"""Freddy's two other clients: `aitronos-freddy`, written by hand, and `freddy-backend-client`, generated."""

import freddy
from freddy_client import Client
from freddy_client.api.api_keys import (
    create_api_key_v1_organizations_org_id_api_keys_post as create,
    get_api_key_v1_organizations_org_id_api_keys_key_id_get as get,
    list_api_keys_v1_organizations_org_id_api_keys_get as list_keys,
    rotate_api_key_v1_organizations_org_id_api_keys_key_id_rotate_post as rotate,
)
from freddy_client.api.authentication import logout_v1_auth_logout_post as log_out
from freddy_client.api.authentication import refresh_token_v1_auth_refresh_post as refresh
from freddy_client.api.files import list_files_v1_organizations_organization_id_files_get as list_files
from freddy_client.models.api_key_create import ApiKeyCreate
from freddy_client.models.logout_request import LogoutRequest
from freddy_client.models.refresh_token_request import RefreshTokenRequest
from servers import Checks


class Freddy(Checks):
    name = "freddy"

    def setUp(self):
        self.organization = self.demo["organization"]

    def generated(self, key):
        return Client(base_url=self.server.url, headers={"x-api-key": self.demo.get(key, key)})

    def files(self, key, **options):
        with freddy.FreddyClient(api_key=self.demo.get(key, key), base_url=self.server.url) as client:
            return client.files.list(self.organization, **options)

    def code(self, key):
        """Returns the error code of a refusal, or None."""
        try:
            self.files(key)
        except freddy.APIError as error:
            return error.response["code"]
        return None

    def test_files_are_listed_as_data(self):
        files = self.files("read", page=2, page_size=10)
        self.assertEqual((files.data, files.total, files.page, files.page_size, files.has_more), ([], 0, 2, 10, False))

    def test_files_are_listed_as_files(self):
        files = list_files.sync(self.organization, client=self.generated("read"), page=2, limit=10)
        self.assertEqual((files.files, files.total, files.page, files.limit, files.has_more), ([], 0, 2, 10, False))

    def test_a_refusal_is_told(self):
        self.assertEqual(self.code("read"), None)
        self.assertEqual(self.code("expired"), "API_KEY_EXPIRED")
        self.assertEqual(self.code("webhook"), "INSUFFICIENT_PERMISSIONS")

    def test_a_key_is_rotated_by_deleting_the_old_and_creating_a_new_one(self):
        client = self.generated("admin")
        old = create.sync(self.organization, client=client, body=ApiKeyCreate(key_name="ci", scopes=["read"]))
        rotated = rotate.sync(self.organization, old.id, client=client)
        self.assertEqual((rotated.success, rotated.old_key_id), (True, old.id))
        self.assertEqual((self.code(old.key), self.code(rotated.new_key.key)), ("INVALID_API_KEY", None))
        self.assertEqual(get.sync_detailed(self.organization, old.id, client=client).status_code, 404)
        listed = [key.id for key in list_keys.sync(self.organization, client=client, page=1, page_size=100).keys]
        self.assertNotIn(old.id, listed)
        self.assertIn(rotated.new_key.id, listed)

    def test_a_prefix_is_the_start_of_the_key(self):
        client = self.generated("admin")
        new = create.sync(self.organization, client=client, body=ApiKeyCreate(key_name="ci"))
        read = get.sync(self.organization, new.id, client=client)
        self.assertTrue(new.key.startswith(new.key_prefix))
        self.assertEqual((len(new.key_prefix), read.key_prefix), (len("ak_1234"), new.key_prefix))

    def test_a_log_out_ends_the_session(self):
        client, tokens = self.generated("read"), self.log_in()
        self.assertTrue(log_out.sync(client=client, body=LogoutRequest(tokens["refresh_token"])).message)
        refused = refresh.sync_detailed(client=client, body=RefreshTokenRequest(tokens["refresh_token"]))
        self.assertEqual((refused.status_code, refused.parsed), (401, None))
