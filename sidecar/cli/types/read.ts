import { existsSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { messageOf } from '../../core/thrown.ts';
import { UsageError } from '../exit.ts';

/** Everything that a .proto file and its imports declare, names resolved. Throws a UsageError with the place. */
export const readProto = (file: string, includeDirs: readonly string[]): protobuf.Root => {
  if (!existsSync(file)) throw new UsageError(`${file}: there is no such file`);
  const root = new protobuf.Root();
  const own = root.resolvePath.bind(root);
  root.resolvePath = (origin, target) => {
    if (target === file || protobuf.common.get(target) !== null) return target;
    return (
      includeDirs.map((dir) => join(dir, target)).find((path) => existsSync(path)) ?? own(origin, target)
    );
  };
  try {
    root.loadSync(file, { keepCase: false, alternateCommentMode: true });
    root.resolveAll();
  } catch (error) {
    throw new UsageError(`${file}: ${messageOf(error)}`);
  }
  return root;
};
