import { writeFileSync } from 'node:fs';
import { freePorts } from '../../test/support/free-ports.ts';
import type { Start } from './chain.ts';
import { onPath, startProgram } from './program.ts';

const settings = (directory: string, name: string, frontend: string, server: string): string => {
  const path = `${directory}/${name}.cfg`;
  writeFileSync(
    path,
    `global
  nbthread 1
  maxconn 4000
  tune.bufsize 32768
  tune.h2.initial-window-size 1048576
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  retries 2
frontend in
  bind ${frontend}
  default_backend out
backend out
  http-reuse always
  server peer ${server}
`,
  );
  return path;
};

/** HAProxy with one thread, HTTP/2 on both sides. */
export const startHaproxy: Start = async ({ backendPort, directory, certificates }, hops) => {
  const command = onPath('haproxy')!;
  const [port, between] = (await freePorts(2)) as [number, number];
  const from = certificates.directory;
  const proxy = (name: string, listen: number, frontend: string, server: string) =>
    startProgram(
      command,
      ['-db', '-f', settings(directory, name, frontend, server)],
      `${directory}/haproxy.log`,
      listen,
    );
  const plainIn = `127.0.0.1:${port} proto h2`;
  const plainOut = `127.0.0.1:${backendPort} proto h2`;
  const tlsIn = `127.0.0.1:${between} ssl crt ${from}/echo-both.pem ca-file ${from}/ca.pem verify required alpn h2`;
  const tlsOut = `127.0.0.1:${between} ssl crt ${from}/web-both.pem ca-file ${from}/ca.pem verify required alpn h2`;
  const programs =
    hops === 1
      ? [await proxy('haproxy', port, plainIn, plainOut)]
      : [
          await proxy('haproxy-echo', between, tlsIn, plainOut),
          await proxy('haproxy-web', port, plainIn, tlsOut),
        ];
  return {
    name: 'haproxy',
    port,
    pids: programs.map(({ pid }) => pid),
    stop: async () => {
      await Promise.all(programs.map((program) => program.stop()));
    },
  };
};
