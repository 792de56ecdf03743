import type { ChannelInterface } from '@grpc/grpc-js';
import { encodeTimeout } from '../../sidecar/core/grpc-timeout.ts';
import { Code } from '../../sidecar/core/status.ts';
import type { CallHead, CallListener, Channel, Line } from '../channel.ts';
import { MeshError } from '../mesh-error.ts';
import { closedBefore, refusedLine } from '../refused-line.ts';
import { channelOptions, fromGrpc, type Grpc, toGrpc } from './load.ts';

/** The longest wait of a timer: 2^31 - 1 ms, less what is added. */
const longestMs = 2 ** 31 - 1000;
/** How much longer than its deadline a call waits for the sidecar, which ends it and knows why. */
const graceMs = 100;

/** How grpc-js words what it decided itself, without the sidecar. */
const withoutSidecar = /^(No connection established|Name resolution failed)/;

/**
 * Dials the sidecar. Rejects after `timeoutMs` with where it looked. Below grpc-js's client, at its channel: messages
 * are asked for one by one, and no stream of Node's stands between.
 */
export const openChannel = async (grpc: Grpc, sidecar: string, timeoutMs: number): Promise<Channel> => {
  const channel = new grpc.Channel(sidecar, grpc.credentials.createInsecure(), {
    ...channelOptions,
    // Two meshes in one process do not share connections.
    'grpc.use_local_subchannel_pool': 1,
  });
  await ready(grpc, channel, sidecar, timeoutMs);
  let isClosed = false;
  return {
    open: (head, listener) =>
      isClosed ? refusedLine(listener, closedBefore) : openCall(grpc, channel, head, listener),
    close: () => {
      isClosed = true;
      channel.close();
    },
  };
};

const ready = (grpc: Grpc, channel: ChannelInterface, sidecar: string, timeoutMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const until = Date.now() + timeoutMs;
    const look = (error?: Error): void => {
      const state = channel.getConnectivityState(true);
      if (state === grpc.connectivityState.READY) return resolve();
      if (error === undefined) return channel.watchConnectivityState(state, until, look);
      channel.close();
      reject(
        new MeshError(
          Code.UNAVAILABLE,
          `no sidecar answers at ${sidecar} within ${timeoutMs} ms: start the app with 'outrigger run', or set ` +
            'OUTRIGGER_APP to the app listener of a sidecar that runs, host:port or unix:PATH',
          { cause: error },
        ),
      );
    };
    look();
  });

const openCall = (
  grpc: Grpc,
  channel: ChannelInterface,
  { service, path, metadata, leftMs }: CallHead,
  listener: CallListener,
): Line => {
  const call = channel.createCall(path, Number.POSITIVE_INFINITY, service, null, undefined);
  const said = toGrpc(grpc, metadata);
  // Not grpc-js's own deadline: it would end the call in the moment in which the sidecar says who had the time.
  const timer = leftMs > longestMs ? null : setTimeout(expire, leftMs + graceMs);
  if (timer !== null) said.set('grpc-timeout', encodeTimeout(leftMs));
  let isExpired = false;
  function expire(): void {
    isExpired = true;
    call.cancelWithStatus(
      grpc.status.DEADLINE_EXCEEDED,
      `the sidecar did not answer within ${graceMs} ms after the deadline`,
    );
  }
  call.start(said, {
    onReceiveMetadata: (headers) => listener.headers(fromGrpc(headers)),
    onReceiveMessage: (octets: Buffer) => listener.message(octets),
    onReceiveStatus: ({ code, details, metadata: trailers }) => {
      if (timer !== null) clearTimeout(timer);
      listener.ended({
        code,
        message: details,
        trailers: fromGrpc(trailers),
        // Its own word has no trailers: a peer may write the same text, and a sidecar says more.
        isUnconnected:
          code === grpc.status.UNAVAILABLE &&
          Object.keys(trailers.getMap()).length === 0 &&
          withoutSidecar.test(details),
        ...(isExpired && { decidedBy: 'sdk' as const }),
      });
    },
  });
  return {
    send: (octets, taken) => call.sendMessageWithContext({ callback: taken }, octets),
    end: () => call.halfClose(),
    read: () => call.startRead(),
    cancel: () => call.cancelWithStatus(grpc.status.CANCELLED, 'cancelled by the app'),
  };
};
