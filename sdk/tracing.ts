import { createRequire } from 'node:module';
import type * as Api from '@opentelemetry/api';
import type * as Sdk from '@opentelemetry/sdk-node';
import {
  attributes,
  codeText,
  isServerError,
  partsOf,
  rpcMethod,
  system,
  traceparentOf,
} from '../sidecar/core/span-words.ts';
import { Code } from '../sidecar/core/status.ts';
import { isRegistered } from '../sidecar/core/tracing-global.ts';
import { type Environment, namesService, tracingPackages } from '../sidecar/core/tracing-variables.ts';
import type { LiveContext } from './context.ts';
import { MeshError } from './mesh-error.ts';
import type { Span, Tracing } from './span.ts';

// This file is the SDK's only door to OpenTelemetry. `connect` loads it when there is somebody to be told, and never else.

/** The instrumentation scope of our spans. */
const scope = 'outrigger/sdk';

/** Longest time to send what is left, in milliseconds: a collector that is away must not hold up the end. */
const farewellMs = 2000;

/**
 * Begins to trace: with the tracer provider that the app has registered, else with one as the OTEL_* variables describe
 * it, in the name of `service` unless they say another. Throws, with the remedy, where the packages are missing.
 */
export const openTracing = (environment: Environment, service: string): Tracing => {
  const require = createRequire(import.meta.url);
  try {
    const api: typeof Api = require('@opentelemetry/api');
    if (!isRegistered('trace')) start(require('@opentelemetry/sdk-node'), environment, service);
    return new AppTracing(api);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw cause;
    throw new Error(
      `OpenTelemetry is asked for, but not installed: npm install ${tracingPackages}, or set OTEL_SDK_DISABLED=true`,
      { cause },
    );
  }
};

/** For the whole app: its own spans go the same way. Metrics and logs are the app's affair. */
const start = ({ NodeSDK }: typeof Sdk, environment: Environment, service: string): void => {
  const sdk = new NodeSDK({
    ...(service !== '' && !namesService(environment) && { serviceName: service }),
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
  });
  sdk.start();
  // A process that ends because it has nothing more to do has nobody left who would close the mesh.
  process.once('beforeExit', () => void sdk.shutdown().catch(() => {}));
};

/** Spans of OpenTelemetry around the calls of this app. */
class AppTracing implements Tracing {
  readonly #api: typeof Api;
  readonly #tracer: Api.Tracer;

  constructor(api: typeof Api) {
    this.#api = api;
    this.#tracer = api.trace.getTracer(scope);
  }

  made(service: string, method: string, context: LiveContext | null): Span {
    const { context: contexts, trace, SpanKind } = this.#api;
    const active = contexts.active();
    const inside =
      trace.getSpanContext(active) !== undefined || context === null
        ? active
        : this.#after(active, context.traceparent, context.tracestate);
    const served = { [attributes.service]: service, [attributes.serverAddress]: service };
    return this.#begin(method, SpanKind.CLIENT, served, inside);
  }

  came(method: string, metadata: { text(name: string): string }): Span {
    const { ROOT_CONTEXT, SpanKind } = this.#api;
    const traceparent = metadata.text('traceparent');
    // Never what happens to be active: the socket may have been opened inside another call.
    const inside = this.#after(ROOT_CONTEXT, traceparent, metadata.text('tracestate'));
    const caller = metadata.text('x-outrigger-caller');
    return this.#begin(method, SpanKind.SERVER, caller === '' ? {} : { [attributes.caller]: caller }, inside);
  }

  within<T>(traceparent: string, tracestate: string, work: () => T): T {
    return this.#api.context.with(this.#after(this.#api.ROOT_CONTEXT, traceparent, tracestate), work);
  }

  flush(): Promise<void> {
    const provider = this.#api.trace.getTracerProvider();
    const real = 'getDelegate' in provider ? (provider as Api.ProxyTracerProvider).getDelegate() : provider;
    const { forceFlush } = real as { forceFlush?: () => Promise<void> };
    return new Promise((settle) => {
      const late = setTimeout(settle, farewellMs);
      const done = (): void => {
        clearTimeout(late);
        settle();
      };
      if (forceFlush === undefined) done();
      else forceFlush.call(real).then(done, done);
    });
  }

  #begin(method: string, kind: Api.SpanKind, more: Api.Attributes, inside: Api.Context): Span {
    const name = rpcMethod(method);
    const told = { [attributes.system]: system, [attributes.method]: name, ...more };
    const span = this.#tracer.startSpan(name, { kind, attributes: told }, inside);
    return new AppSpan(this.#api, span, inside, kind);
  }

  #after(inside: Api.Context, traceparent: string, tracestate: string): Api.Context {
    const from = partsOf(traceparent);
    if (from === null) return inside;
    const { trace, createTraceState } = this.#api;
    return trace.setSpanContext(inside, {
      ...from,
      isRemote: true,
      ...(tracestate !== '' && { traceState: createTraceState(tracestate) }),
    });
  }
}

class AppSpan implements Span {
  readonly traceparent: string;
  readonly tracestate: string;
  readonly #api: typeof Api;
  readonly #span: Api.Span;
  readonly #inside: Api.Context;
  readonly #kind: Api.SpanKind;
  #isOver = false;

  constructor(api: typeof Api, span: Api.Span, inside: Api.Context, kind: Api.SpanKind) {
    this.#api = api;
    this.#span = span;
    this.#inside = inside;
    this.#kind = kind;
    const context = span.spanContext();
    this.traceparent = traceparentOf(context);
    this.tracestate = context.traceState?.serialize() ?? '';
  }

  about(correlationId: string, context: LiveContext | null): void {
    if (!this.#span.isRecording()) return;
    this.#span.setAttribute(attributes.correlationId, correlationId);
    for (const [flag, variant] of context?.flags ?? [])
      this.#span.setAttribute(attributes.flag + flag, variant);
  }

  run<T>(work: () => T): T {
    return this.#api.context.with(this.#api.trace.setSpan(this.#inside, this.#span), work);
  }

  ended(code: number, message = ''): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const name = codeText(code);
    this.#span.setAttribute(attributes.code, name);
    const isError = this.#kind === this.#api.SpanKind.SERVER ? isServerError(code) : code !== Code.OK;
    if (isError) {
      this.#span.setAttribute(attributes.errorType, name);
      const { ERROR } = this.#api.SpanStatusCode;
      this.#span.setStatus({ code: ERROR, ...(message !== '' && { message }) });
    }
    this.#span.end();
  }

  failed(error: unknown): void {
    if (this.#isOver) return;
    if (!(error instanceof MeshError)) return this.ended(Code.UNKNOWN, String(error));
    const { decidedBy, reached, attempts, endpoint } = error;
    this.#span.setAttributes({
      [attributes.decidedBy]: decidedBy,
      [attributes.reached]: reached,
      ...(attempts > 0 && { [attributes.attempts]: attempts }),
      ...(endpoint !== '' && { [attributes.endpoint]: endpoint }),
    });
    this.ended(error.code, error.message);
  }
}
