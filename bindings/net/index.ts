// tokiwa/net: sockets, streams of bytes, WebSocket, signals. Public names only.

export type { Addr, UnixAddr } from "./address.ts";
export { BufReader, type LineOptions, Lines } from "./buf-reader.ts";
export { BufWriter } from "./buf-writer.ts";
export { ByteStream, ReadHalf, WriteHalf } from "./byte-stream.ts";
export { type Codec, type Decoded, FramedReader, FramedWriter, type LengthCodecOptions, lengthDelimited, linesCodec, type LinesCodecOptions } from "./codec.ts";
export { copy, copyBidirectional } from "./copy.ts";
export { duplex, DuplexStream } from "./duplex.ts";
export type { Reader, Writer } from "./io.ts";
export { lookupHost } from "./lookup.ts";
export { ctrlC, type Signal, signal } from "./signal.ts";
export { type TcpConnectOptions, TcpListener, TcpStream } from "./tcp.ts";
export { type TlsAcceptOptions, type TlsConnectOptions, TlsStream } from "./tls.ts";
export type { NodeSocket } from "./node-types.ts";
export { UdpSocket } from "./udp.ts";
export { UnixListener, UnixStream } from "./unix.ts";
export { WebReader, webReadable, webWritable, WebWriter } from "./web-streams.ts";
export { WebSocketClient, type WebSocketClass, type WebSocketLike, type WebSocketOptions } from "./websocket.ts";
export { type WebTransportClass, WebTransportClient, type WebTransportLike, type WebTransportOptions, WebTransportStream } from "./webtransport.ts";
