import type { Manner } from '../../support/consul-api.ts';

/** What the stories may take for granted of the agent under them. */
export interface Ground {
  /** The agent is made for the suite and thrown away: its CA may be changed and all its services denied. */
  readonly ours: boolean;
  /** What holds where no intention speaks, as the agent says it. */
  readonly unspoken: { readonly Authorized: boolean; readonly Reason: string };
  /** Looks for the owner of everything first, and says of what is not there that it is unknown. */
  readonly acls: boolean;
}

/** An agent under test. */
export interface Agent {
  readonly url: string;
  readonly manner?: Manner;
  close(): Promise<void>;
}

/** An agent of the suite's own, without ACLs. */
export const open: Ground = {
  ours: true,
  unspoken: { Authorized: true, Reason: 'ACLs disabled, access is allowed by default' },
  acls: false,
};

/** An agent of the suite's own, with ACLs and default deny. */
export const denying: Ground = {
  ours: true,
  unspoken: { Authorized: false, Reason: 'Default behavior configured by ACLs' },
  acls: true,
};
