/**
 * Exactly `/package.Service/Method`. The same bytes are routed and authorised, so nothing may need interpretation: a
 * name that is empty between its dots is none, because an app that reads paths as files are read takes `/../Method`
 * for another one.
 */
const pattern = /^\/(?=[^/]{1,256}\/)[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*\/[A-Za-z0-9_]{1,128}$/;

/** Whether a `:path` names a gRPC method and nothing else. */
export const isMethodPath = (path: string): boolean => pattern.test(path);
