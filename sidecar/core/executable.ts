import { getAsset, isSea } from 'node:sea';

/** True in the single executable (`npm run binary`): no file of ours lies beside the program, all are packed into it. */
export const isExecutable = (): boolean => isSea();

/** A file that was packed into the single executable, by the name that `deploy/binary/build.ts` gave it. */
export const packed = (name: string): Buffer => Buffer.from(getAsset(name));
