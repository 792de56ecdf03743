/** The lab's door. */
export type { Fault, Span } from './faults.ts';
export { type LabOptions, type LoadPlan, type ServicePlan, simulate } from './lab.ts';
export { constant, type Latency, lognormal, recorded } from './latency.ts';
export { echoOnLoopback } from './recordings.ts';
export {
  attemptsPerCall,
  begunIn,
  type CallRecord,
  type Ejection,
  failed,
  type Run,
  type Sum,
  success,
  tookMs,
} from './run.ts';
