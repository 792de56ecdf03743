/**
 * OpenFeature on top of the flags that call trees carry. An export of its own, because it alone needs
 * `@openfeature/server-sdk`.
 */
import {
  ErrorCode,
  type JsonValue,
  OpenFeatureEventEmitter,
  type Provider,
  ProviderEvents,
  type ProviderMetadata,
  type ResolutionDetails,
  StandardResolutionReasons,
} from '@openfeature/server-sdk';
import type { Context } from './context.ts';

/**
 * Whose calls are asked: what `connect()` answered.
 *
 * @example
 * const provider = new MeshProvider(mesh satisfies ContextSource);
 * console.log(provider.metadata.name);
 */
export interface ContextSource {
  context(): Pick<Context, 'flags'> | null;
}

/** Versions of the definitions that are remembered, so that calls of an older one do not look like a change. */
const mostVersions = 64;

/**
 * MeshProvider answers OpenFeature from the call being served: what the edge of its call tree decided, the same in every
 * service on the way. The evaluation context that OpenFeature hands over is not looked at, as the answers are there already.
 *
 * | | reason | |
 * |---|---|---|
 * | decided | TARGETING_MATCH | the variant's name is the value: `on` is true, `2.5` a number |
 * | decided, and of another type | ERROR | TYPE_MISMATCH; objects always are |
 * | not decided in this tree | ERROR | FLAG_NOT_FOUND |
 * | outside of a call | DEFAULT | the default of the caller |
 *
 * It says that the configuration has changed when the first call comes that was decided by newer definitions.
 *
 * @example
 * await OpenFeature.setProviderAndWait(new MeshProvider(mesh));
 * const express = await OpenFeature.getClient().getBooleanValue('express', false);
 */
export class MeshProvider implements Provider {
  readonly metadata: ProviderMetadata = { name: 'outrigger' };
  readonly runsOn = 'server' as const;
  readonly events: OpenFeatureEventEmitter = new OpenFeatureEventEmitter();
  readonly #mesh: ContextSource;
  readonly #versions: Set<string> = new Set();

  constructor(mesh: ContextSource) {
    this.#mesh = mesh;
  }

  async resolveBooleanEvaluation(flag: string, otherwise: boolean): Promise<ResolutionDetails<boolean>> {
    return this.#resolve(flag, otherwise, ({ flags }) => {
      // Asked both ways: a variant that is neither answers what it is given.
      const value = flags.boolean(flag, false);
      return value === flags.boolean(flag, true) ? value : null;
    });
  }

  async resolveStringEvaluation(flag: string, otherwise: string): Promise<ResolutionDetails<string>> {
    return this.#resolve(flag, otherwise, ({ flags }) => flags.string(flag, otherwise));
  }

  async resolveNumberEvaluation(flag: string, otherwise: number): Promise<ResolutionDetails<number>> {
    return this.#resolve(flag, otherwise, ({ flags }) => {
      const value = flags.number(flag, Number.NaN);
      return Number.isNaN(value) ? null : value;
    });
  }

  async resolveObjectEvaluation<T extends JsonValue>(
    flag: string,
    otherwise: T,
  ): Promise<ResolutionDetails<T>> {
    return this.#resolve(flag, otherwise, () => null);
  }

  /** `read` answers null for a variant of another type. */
  #resolve<T>(
    flag: string,
    otherwise: T,
    read: (context: Pick<Context, 'flags'>) => T | null,
  ): ResolutionDetails<T> {
    const context = this.#mesh.context();
    if (context === null) return { value: otherwise, reason: StandardResolutionReasons.DEFAULT };
    this.#hear(context.flags.version);
    const variant = context.flags.variant(flag);
    if (variant === undefined)
      return failed(
        otherwise,
        ErrorCode.FLAG_NOT_FOUND,
        `nobody decided flag '${flag}' in this call tree: define it in outrigger/flags, and pass baggage on`,
      );
    const value = read(context);
    if (value === null)
      return failed(
        otherwise,
        ErrorCode.TYPE_MISMATCH,
        `variant '${variant}' of flag '${flag}' is not of the type that was asked for: its name is its value`,
      );
    return { value, variant, reason: StandardResolutionReasons.TARGETING_MATCH };
  }

  /** A call that was decided by these definitions. */
  #hear(version: string): void {
    if (version === '' || this.#versions.has(version)) return;
    const isFirst = this.#versions.size === 0;
    if (this.#versions.size >= mostVersions) this.#versions.delete(this.#versions.values().next().value!);
    this.#versions.add(version);
    if (!isFirst)
      this.events.emit(ProviderEvents.ConfigurationChanged, {
        message: `calls come that were decided by definitions ${version}`,
      });
  }
}

const failed = <T>(value: T, errorCode: ErrorCode, errorMessage: string): ResolutionDetails<T> => ({
  value,
  reason: StandardResolutionReasons.ERROR,
  errorCode,
  errorMessage,
});
