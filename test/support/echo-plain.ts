import http2 from 'node:http2';

/** An app without a gRPC library: it answers what the test says, and nothing by itself. */
export interface PlainApp {
  readonly port: number;
  /** Header fields of each call that arrived, in order. */
  readonly seen: http2.IncomingHttpHeaders[];
  /** Codes of RST_STREAM that came, one for each stream that was reset. */
  readonly resets: number[];
  close(): void;
}

/** Hears of a call, once its header block has come. */
export type PlainCall = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void;

/** Starts it on a free port of loopback. */
export const startPlainApp = async (take: PlainCall): Promise<PlainApp> => {
  const seen: http2.IncomingHttpHeaders[] = [];
  const resets: number[] = [];
  const sessions = new Set<http2.ServerHttp2Session>();
  const server = http2.createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    seen.push(headers);
    stream.on('error', () => {});
    stream.on('aborted', () => resets.push(stream.rstCode));
    stream.resume();
    take(stream, headers);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    seen,
    resets,
    close: () => {
      server.close();
      for (const session of sessions) session.destroy();
    },
  };
};

/** Answers with an empty message and OK; `more` goes into headers and trailers. */
export const answerOk = (
  stream: http2.ServerHttp2Stream,
  headers: http2.OutgoingHttpHeaders = {},
  trailers: http2.OutgoingHttpHeaders = {},
): void => {
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', ...trailers }));
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', ...headers },
    { waitForTrailers: true },
  );
  stream.end(Buffer.alloc(5));
};
