import { isCollection, isMap, isScalar, LineCounter, type Node, type Pair, parseDocument } from 'yaml';

/** A place in a page, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A YAML page that remembers where each of its keys stands. The one door to the YAML library. */
export interface Page {
  /** Plain values; undefined while `faults` is not empty. */
  readonly content: unknown;
  /** What is wrong with the YAML itself. */
  readonly faults: readonly { readonly message: string; readonly position: Position }[];
  /** Where the value at `path` stands, or the nearest thing above it that does. */
  locate(path: readonly PropertyKey[]): Position;
  /** Where the key `key` of the mapping at `path` stands. */
  locateKey(path: readonly PropertyKey[], key: string): Position;
  /** True where the page itself says something at `path`. */
  has(path: readonly PropertyKey[]): boolean;
}

/** Reads YAML 1.2 (and so JSON). Duplicate keys, anchors that multiply and unknown tags are faults. */
export const readPage = (text: string): Page => {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const positionOf = (node: Node | null | undefined): Position => at(node?.range?.[0] ?? 0);
  const pairOf = (path: readonly PropertyKey[], key: string): Pair | undefined => {
    const map = path.length === 0 ? document.contents : document.getIn(path, true);
    if (!isMap(map)) return undefined;
    return map.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === key);
  };
  const faults = [...document.errors, ...document.warnings].map((error) => ({
    message: error.message,
    position: at(error.pos[0]),
  }));
  const content = faults.length > 0 ? undefined : plain(document, faults, at);
  return {
    content,
    faults,
    locate(path) {
      for (let depth = path.length; depth > 0; depth--) {
        const node = document.getIn(path.slice(0, depth), true) as Node | undefined;
        // A flow mapping begins at its brace, far from the key that it belongs to: show the key.
        if (isCollection(node) || (isScalar(node) && node.range === undefined)) {
          const pair = pairOf(path.slice(0, depth - 1), String(path[depth - 1]));
          if (pair !== undefined) return positionOf(pair.key as Node);
        }
        if (node?.range) return positionOf(node);
      }
      return positionOf(document.contents);
    },
    locateKey(path, key) {
      const pair = pairOf(path, key);
      return pair === undefined ? positionOf(document.contents) : positionOf(pair.key as Node);
    },
    has: (path) => (path.length === 0 ? document.contents !== null : document.hasIn(path)),
  };
};

const plain = (
  document: { toJS(options: { maxAliasCount: number }): unknown },
  faults: { message: string; position: Position }[],
  at: (offset: number) => Position,
): unknown => {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    faults.push({ message: (error as Error).message, position: at(0) });
    return undefined;
  }
};
