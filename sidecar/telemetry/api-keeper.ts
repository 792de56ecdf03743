import type * as Api from '@opentelemetry/api';
import { partsOf, rpcMethod, traceIdOf, traceparentOf } from '../core/span-words.ts';
import type { OneSpan, SpanKeeper } from './one-span.ts';
import { attributesOf, isError, whyOf } from './span-attributes.ts';

/**
 * Keeps spans with a tracer of OpenTelemetry: its limits, its processors and whatever exporter it has hold. `rootOf` makes
 * the tracer's next root one of the trace that it names, where the tracer lets itself be told.
 */
export const apiKeeper = (
  api: typeof Api,
  tracer: Api.Tracer,
  rootOf: (traceId: string) => void = () => {},
): SpanKeeper => ({
  begin: (span) => {
    if (span.isRoot) rootOf(traceIdOf(span.parent));
    const before = span.before?.kept;
    const begun = tracer.startSpan(
      rpcMethod(span.method),
      {
        kind: span.kind === 'inbound' ? api.SpanKind.SERVER : api.SpanKind.CLIENT,
        startTime: span.beganAt,
        attributes: attributesOf(span),
        ...(before != null && { links: [{ context: before.spanContext() }] }),
      },
      contextOf(api, span),
    );
    if (!begun.isRecording()) return null;
    span.kept = begun;
    return traceparentOf(begun.spanContext());
  },
  end: (span) => {
    const { kept, endedAt } = span;
    if (kept === null) return;
    kept.setAttributes(attributesOf(span));
    const message = whyOf(span);
    if (isError(span)) kept.setStatus({ code: api.SpanStatusCode.ERROR, ...(message !== '' && { message }) });
    kept.end(endedAt);
  },
  close: () => {},
});

/** What names the parent. */
const contextOf = (api: typeof Api, { above, isRoot, parent, tracestate }: OneSpan): Api.Context => {
  if (above?.kept != null) return api.trace.setSpan(api.ROOT_CONTEXT, above.kept);
  const from = isRoot ? null : partsOf(parent);
  if (from === null) return api.ROOT_CONTEXT;
  return api.trace.setSpanContext(api.ROOT_CONTEXT, {
    ...from,
    isRemote: true,
    ...(tracestate !== '' && { traceState: api.createTraceState(tracestate) }),
  });
};
