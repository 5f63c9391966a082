// What our declarations say about objects of node:net, node:tls and node:dgram.
//
// The published types must compile in a page's project too, where nobody has installed the types of Node. So they
// name structures: a `net.Socket` fits NodeSocket, and `toNode()` takes the type its caller expects.

/** A `net.Socket`. */
export interface NodeSocket {
  readonly destroyed: boolean;
  readonly connecting: boolean;
  allowHalfOpen?: boolean;
  readonly writableLength: number;
  read(size?: number): unknown;
  write(bytes: Uint8Array): boolean;
  pause(): unknown;
  resume(): unknown;
  destroy(error?: Error): unknown;
  setNoDelay(on?: boolean): unknown;
}

/** A `net.Server`. */
export interface NodeServer {
  address(): unknown;
  close(): unknown;
}

/** A `dgram.Socket`. */
export interface NodeDatagramSocket {
  address(): unknown;
  close(): unknown;
}

/** PEM or DER, one or several. */
export type Pem = string | Uint8Array | readonly (string | Uint8Array)[];
