import type * as Api from '@opentelemetry/api';
import { partsOf, rpcMethod, traceparentOf } from '../core/span-words.ts';
import { OneAttempt, type OneSpan, type SpanKeeper } from './one-span.ts';
import { attributesOf, isError, type SpanNotes, whyOf } from './span-notes.ts';

/** Keeps spans with a tracer of OpenTelemetry that is not ours: its sampler, its limits and its processors hold. */
export const apiKeeper = (api: typeof Api, tracer: Api.Tracer): SpanKeeper => ({
  begin: (span) => {
    const notes = span.notes(null);
    const before = span instanceof OneAttempt ? span.before?.kept : null;
    const begun = tracer.startSpan(
      rpcMethod(notes.method),
      {
        kind: kindOf(api, notes),
        startTime: notes.beganAt,
        attributes: attributesOf(notes),
        ...(before != null && { links: [{ context: before.spanContext() }] }),
      },
      contextOf(api, span, notes),
    );
    if (!begun.isRecording()) return null;
    span.kept = begun;
    return traceparentOf(begun.spanContext());
  },
  end: ({ kept }, notes, endedAt) => {
    if (kept === null) return;
    kept.setAttributes(attributesOf(notes));
    const message = whyOf(notes);
    if (isError(notes))
      kept.setStatus({ code: api.SpanStatusCode.ERROR, ...(message !== '' && { message }) });
    kept.end(endedAt);
  },
});

/** The kind of its span, in the words of OpenTelemetry. */
export const kindOf = (api: typeof Api, { kind }: SpanNotes): Api.SpanKind =>
  kind === 'inbound' ? api.SpanKind.SERVER : api.SpanKind.CLIENT;

/** What names the parent. */
const contextOf = (
  api: typeof Api,
  span: OneSpan,
  { isRoot, parent, tracestate }: SpanNotes,
): Api.Context => {
  const above = span instanceof OneAttempt ? span.parent.kept : null;
  if (above !== null) return api.trace.setSpan(api.ROOT_CONTEXT, above);
  const from = isRoot ? null : partsOf(parent);
  if (from === null) return api.ROOT_CONTEXT;
  return api.trace.setSpanContext(api.ROOT_CONTEXT, {
    ...from,
    isRemote: true,
    ...(tracestate !== '' && { traceState: api.createTraceState(tracestate) }),
  });
};
