/** Progress knows how many calls are being served, for whoever asks on the way out. One number, because every call changes it. */
export class Progress {
  /** Calls on the way in that have begun and not ended. */
  running = 0;
}
