/** Time is what the development agent asks for clock, timers and chance, so that tests can stand still. */
export interface Time {
  /** Monotonic milliseconds. */
  now(): number;
  /** Wall-clock milliseconds since 1970. */
  wall(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Calls `then` once in `ms` milliseconds; the answer takes it back. */
  after(ms: number, then: () => void): () => void;
}

/** Node counts a timer's milliseconds in 31 bits and fires at once beyond. */
const longestTimerMs = 2 ** 31 - 1;

/** The system's own time. */
export const systemTime: Time = {
  now: () => performance.now(),
  wall: () => Date.now(),
  random: () => Math.random(),
  after(ms, then) {
    const timer = setTimeout(then, Math.min(ms, longestTimerMs));
    return () => clearTimeout(timer);
  },
};
