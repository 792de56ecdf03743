import { writePlace } from '../settings/address.ts';
import { appSpeech } from './app-speech.ts';
import { because, type Check, fault } from './finding.ts';

/** The app beside us: it answers, and what it answers is gRPC. */
export const appChecks: readonly Check[] = [
  {
    name: 'app',
    look: async ({ settings, service }) => {
      const app = settings.service?.app ?? null;
      if (app === null) return [];
      const place = writePlace(app);
      const key = 'path' in app ? 'service.socket' : 'service.port';
      const speech = await appSpeech(app).catch(because);
      if (typeof speech === 'string')
        return [
          fault(
            `the app does not answer on ${place}: ${speech}`,
            `start the app of '${service}', or correct ${key}`,
          ),
        ];
      const not = `what answers on ${place} is no gRPC server in plaintext`;
      if (speech.speaks === 'http1')
        return [
          fault(`${not}: it speaks HTTP/1.1`, `give ${key} the port of the gRPC server, not of a web server`),
        ];
      if (speech.speaks === 'tls')
        return [
          fault(
            `${not}: it speaks TLS`,
            'let the app listen in plaintext on loopback; the sidecar does the TLS',
          ),
        ];
      if (speech.speaks !== 'http2')
        return [
          fault(
            `${not}: it says ${speech.speaks}`,
            `correct ${key}: HTTP/2 in plaintext (h2c) must answer there`,
          ),
        ];
      if (settings.service?.check !== 'grpc' || speech.health === 'serving') return [];
      if (speech.health === 'not serving')
        return [
          fault(
            `the app on ${place} says that it is not SERVING`,
            "look into the app's own log; peers get no call to it",
          ),
        ];
      return [
        fault(
          `service.check is grpc, but the app on ${place} does not answer grpc.health.v1`,
          'add the health service to the app, or write service.check: tcp',
        ),
      ];
    },
  },
];
