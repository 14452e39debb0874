"""What pip is told holds for uv as well, or pip does it."""

import subprocess
import sys
from pathlib import Path

import pytest

from compose.local.installer import LOCK_OF_UV, NotFollowed, configuration, followed, locked_version

LISTED = """\
:env:.default-timeout='180'
:env:.index-url='https://of.the.variable/simple'
download.index-url='https://another.command/simple'
global.index-url='https://of.the.file/simple'
global.trusted-host='a b'
install.trusted-host='c'
"""


def test_a_variable_holds_before_a_file_and_the_commands_section_before_the_global_one() -> None:
    assert configuration(LISTED) == {
        "default-timeout": "180",
        "index-url": "https://of.the.variable/simple",
        "trusted-host": "c",
    }


def test_a_companys_mirror_certificate_and_proxy_are_uvs_too(tmp_path: Path) -> None:
    told = {
        "index-url": "https://user:word@mirror/simple",
        "extra-index-url": "https://one/simple\nhttps://two/simple",
        "find-links": f"{tmp_path} https://links",
        "cert": "/etc/company.pem",
        "client-cert": "/etc/mine.pem",
        "proxy": "http://proxy:3128",
        "trusted-host": "mirror one:8443",
        "timeout": "60",
        "retries": "9",
        "no-index": "false",
        "disable-pip-version-check": "1",
    }

    assert followed(told) == {
        "UV_DEFAULT_INDEX": "https://user:word@mirror/simple",
        "UV_INDEX": "https://one/simple https://two/simple",
        "UV_FIND_LINKS": f"{tmp_path},https://links",
        "SSL_CERT_FILE": "/etc/company.pem",
        "SSL_CLIENT_CERT": "/etc/mine.pem",
        "ALL_PROXY": "http://proxy:3128",
        "HTTP_PROXY": "http://proxy:3128",
        "HTTPS_PROXY": "http://proxy:3128",
        "UV_INSECURE_HOST": "mirror one:8443",
        "UV_HTTP_TIMEOUT": "60",
        "UV_HTTP_RETRIES": "9",
    }


@pytest.mark.parametrize("key", ["keyring-provider", "no-binary", "target", "a-setting-of-a-later-pip"])
def test_what_uv_has_no_word_for_leaves_the_work_to_pip(key: str) -> None:
    with pytest.raises(NotFollowed, match=key):
        followed({key: "something"})


def test_an_address_that_uv_would_read_as_two_leaves_the_work_to_pip() -> None:
    with pytest.raises(NotFollowed, match="find-links"):
        followed({"find-links": "https://links/one,two"})


def test_a_folder_that_is_not_there_is_passed_over_as_pip_does(tmp_path: Path) -> None:
    told = {"extra-index-url": f"file://{tmp_path}/none file://{tmp_path}", "find-links": f"{tmp_path}/none"}

    assert followed(told) == {"UV_INDEX": f"file://{tmp_path}"}


def test_uv_is_locked_by_version_and_hash_for_the_usual_platforms() -> None:
    assert locked_version()
    assert LOCK_OF_UV.read_text("utf-8").count("--hash=sha256:") > 10


def test_the_environment_is_made_by_a_python_that_has_no_packages() -> None:
    """Nothing of it imports what it installs."""
    checkout = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import sys; sys.path.append('.'); import compose.local.environment"],
        cwd=checkout, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
