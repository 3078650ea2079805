"""TLS: who is trusted, who is not, and that the connection is pooled like any other."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.api import UpstreamError
from gateway.upstream.dial import _trusting_the_system

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def certificate(folder, names):
    """A self-signed certificate for these names, and the context of a server that shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "under test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(public, private)
    server.set_alpn_protocols(["h2", "http/1.1"])
    return public, server


@pytest.fixture
def ours(tmp_path, monkeypatch):
    """A server's context that the client trusts, as an operator says so."""
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    public, server = certificate(tmp_path, names)
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    return server


async def test_calls_go_over_tls_and_share_a_connection(raw, ask, ours) -> None:
    seen = []
    ours.sni_callback = lambda _socket, name, _context: seen.append(name)

    async def serve(peer):
        seen.append(peer.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        while True:
            _, body = await peer.request()
            seen.append(len(body))
            await peer.say(OK[:20], OK[20:])

    url = (await raw.start(serve, ours)).replace("127.0.0.1", "localhost")
    for body in (b"{}", bytes(3_000_000), b"{}"):
        assert await (await ask(url, body)).whole() == b"ok"
    assert len(raw.peers) == 1
    assert seen == ["localhost", "http/1.1", 2, 3_000_000, 2]


async def test_an_address_in_numbers_is_verified_too(raw, ask, ours) -> None:
    async def serve(peer):
        await peer.request()
        await peer.say(OK)

    assert await (await ask(await raw.start(serve, ours))).whole() == b"ok"


@pytest.mark.parametrize("how", ["nobody trusts it", "it is for another name", "it speaks no TLS"])
async def test_who_cannot_prove_who_it_is_gets_nothing(raw, ask, tmp_path, monkeypatch, how) -> None:
    got = []

    async def serve(peer):
        got.append(await peer.request())

    public, server = certificate(tmp_path, [x509.DNSName("elsewhere.example")])
    if how == "it is for another name":
        monkeypatch.setenv("SSL_CERT_FILE", str(public))
    url = await raw.start(serve, None if how == "it speaks no TLS" else server)
    with pytest.raises(UpstreamError) as caught:
        await ask(url.replace("http:", "https:"))
    assert caught.value.fault == "connect"
    assert "SSL" in caught.value.message or how == "it speaks no TLS"
    assert not got


async def test_a_cut_off_answer_over_tls_is_a_reset(raw, ask, ours) -> None:
    async def serve(peer):
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")

    reply = await ask(await raw.start(serve, ours))
    with pytest.raises(UpstreamError) as caught:
        await reply.whole()
    assert caught.value.fault == "reset"


async def test_without_roots_of_the_system_the_packaged_ones_are_trusted(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    context = _trusting_the_system()
    assert len(context.get_ca_certs()) > 50
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
