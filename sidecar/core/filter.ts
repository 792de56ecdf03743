import type { Reply } from './reply.ts';

/** Service answers calls: the app at the far end, a whole mesh, or the rest of a stack. */
export type Service<C> = (call: C) => Promise<Reply>;

/** Filter stands before a service: it derives the call, passes it on, refuses it, or watches the reply. */
export type Filter<In, Out = In> = (call: In, next: Service<Out>) => Promise<Reply>;
