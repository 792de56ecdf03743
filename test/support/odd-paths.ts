import http2 from 'node:http2';

/** Ways to write `/interop.Echo/Unary` that some app or proxy takes for it, and other paths that are no method. */
export const oddPaths: readonly string[] = [
  '//interop.Echo/Unary',
  '/interop.Echo//Unary',
  '/interop.Echo/Unary/',
  '/interop.Echo/./Unary',
  '/../Unary',
  '/./Unary',
  '/interop..Echo/Unary',
  '/.interop.Echo/Unary',
  '/interop.Echo./Unary',
  '/interop.Echo/../interop.Echo/Unary',
  '/interop.Echo/Unary?x=1',
  '/interop.Echo/Unary#x',
  '/interop.Echo/Unary;x',
  '/interop.Echo/%55nary',
  '/interop.Echo%2fUnary',
  '/interop.Echo\\Unary',
  '/interop.Echo/Unary ',
  '/interop.Echo/Un\u00c1\u00a1ry',
  '/\u00c0\u00ae\u00c0\u00ae/Unary',
  `/interop.Echo/Unary${'/'.repeat(8000)}`,
  `/interop.Echo/${'U'.repeat(8192)}`,
];

/** Other methods, to whoever compares bytes. */
export const otherCase: readonly string[] = ['/interop.echo/unary', '/INTEROP.ECHO/UNARY'];

/**
 * The gRPC status of a call of each path to a port without TLS, byte for byte as given; empty where it was reset
 * because HTTP/2 itself does not let the field pass.
 */
export const codesByPath = async (
  port: number,
  paths: readonly string[],
  authority = `127.0.0.1:${port}`,
): Promise<string[]> => {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  const ask = (path: string): Promise<string> =>
    new Promise((resolve) => {
      const stream = session.request(
        {
          ':method': 'POST',
          ':path': path,
          ':authority': authority,
          'content-type': 'application/grpc',
          te: 'trailers',
        },
        { endStream: true },
      );
      let code = '';
      const read = (fields: http2.IncomingHttpHeaders): void => {
        code = String(fields['grpc-status'] ?? code);
      };
      stream
        .on('response', read)
        .on('trailers', read)
        .on('error', () => {});
      stream.on('close', () => resolve(code));
      stream.resume();
    });
  try {
    return await Promise.all(paths.map(ask));
  } finally {
    session.close();
  }
};
