/** Exactly `/package.Service/Method`. The same bytes are routed and authorised, so nothing may need interpretation. */
const pattern = /^\/[A-Za-z0-9_.]{1,256}\/[A-Za-z0-9_]{1,128}$/;

/** Whether a `:path` names a gRPC method and nothing else. */
export const isMethodPath = (path: string): boolean => pattern.test(path);
