// TLS over a socket: the host's implementation, read and written as any other stream.

import type { Socket } from "node:net";
import type { ConnectionOptions, TLSSocket, TLSSocketOptions } from "node:tls";
import { OptionError } from "../errors.ts";
import type { Future } from "../future.ts";
import { checkOptions, show } from "../options.ts";
import { type Addr, checkAddr } from "./address.ts";
import { ByteStream } from "./byte-stream.ts";
import { Connect } from "./connect.ts";
import { need } from "./modules.ts";
import type { Pem } from "./node-types.ts";
import { SocketEndpoint } from "./socket.ts";
import { TcpStream } from "./tcp.ts";
import { UnixStream } from "./unix.ts";

/** Options of both sides; every other one of the host's `tls` module is passed on. */
interface TlsOptions {
  key?: Pem;
  cert?: Pem;
  /** Certificates to trust instead of the system's. */
  ca?: Pem;
  ALPNProtocols?: string[];
  /** Default true: a certificate that cannot be verified is an error (of a client's only with `requestCert`). */
  rejectUnauthorized?: boolean;
  [option: string]: unknown;
}

/** What `tls.connect()` of the host takes, but for the address. */
export interface TlsConnectOptions extends TlsOptions {
  /** The name that the peer's certificate must have; default the host. */
  servername?: string;
}

/** What a server of the host takes: `key` and `cert`, or `pfx`. */
export interface TlsAcceptOptions extends TlsOptions {
  requestCert?: boolean;
}

/** The end of one direction leaves the other open; the host's types leave this option out. */
const HALF_OPEN: object = { allowHalfOpen: true };

/** A TLS connection. */
export class TlsStream extends ByteStream {
  readonly #socket: TLSSocket;

  /** @internal use `connect()` or `accept()` */
  constructor(endpoint: SocketEndpoint) {
    super(endpoint);
    this.#socket = endpoint.socket as TLSSocket;
  }

  /**
   * Connects and shakes hands, checking the peer's certificate. Cancel safe: dropping it closes the socket.
   *
   * @param addr `host` (default "localhost", also the name that is checked) and `port`, or a connected stream, which is taken over
   * @throws the host's error: `ECONNREFUSED`, `DEPTH_ZERO_SELF_SIGNED_CERT`, `ERR_TLS_CERT_ALTNAME_INVALID`, ...
   */
  static connect(addr: { host?: string; port: number } | TcpStream | UnixStream, options?: TlsConnectOptions): Future<TlsStream> {
    const tls = need("node:tls", "TlsStream.connect()");
    const chosen = checkOptions<TlsConnectOptions>("tls", options) as ConnectionOptions;
    const isStream = isPlainStream(addr);
    const where = isStream ? {} : checkAddr(addr, "localhost");
    return new Connect(
      () => tls.connect({ ...chosen, ...(isStream ? { socket: addr.toNode<Socket>() } : where), ...HALF_OPEN }),
      "secureConnect",
      wrap,
      "a TLS handshake",
    );
  }

  /**
   * Shakes hands as the server on an accepted stream, which is taken over. Cancel safe: dropping it closes the socket.
   *
   * @throws the host's error when the handshake fails
   */
  static accept(stream: TcpStream | UnixStream, options: TlsAcceptOptions): Future<TlsStream> {
    const tls = need("node:tls", "TlsStream.accept()");
    if (!isPlainStream(stream)) throw new OptionError(`stream must be a TcpStream or a UnixStream, got ${show(stream)}`);
    const chosen = checkOptions<TlsAcceptOptions>("tls", options) as TLSSocketOptions;
    const secureContext = chosen.secureContext ?? tls.createSecureContext(chosen);
    return new Connect(
      () => new tls.TLSSocket(stream.toNode<Socket>(), { ...chosen, secureContext, isServer: true }),
      "secure",
      wrap,
      "a TLS handshake",
    );
  }

  /** The protocol chosen by ALPN, or false. */
  get alpnProtocol(): string | false {
    return this.#socket.alpnProtocol || false;
  }

  /** The version of the protocol, e.g. `"TLSv1.3"`. */
  get protocol(): string | null {
    return this.#socket.getProtocol();
  }

  /** Our own address; port 0 when it has none. */
  get localAddr(): Addr {
    return { host: this.#socket.localAddress ?? "", port: this.#socket.localPort ?? 0 };
  }

  /** The peer's address; port 0 when it has none. */
  get peerAddr(): Addr {
    return { host: this.#socket.remoteAddress ?? "", port: this.#socket.remotePort ?? 0 };
  }
}

function isPlainStream(value: unknown): value is TcpStream | UnixStream {
  return value instanceof TcpStream || value instanceof UnixStream;
}

function wrap(socket: Socket): TlsStream {
  return new TlsStream(new SocketEndpoint(socket));
}
