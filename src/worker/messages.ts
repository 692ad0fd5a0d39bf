import type { Batch, Input, InputAnswer, LoadAnswer, PossibleOutcomes, RuleChainName, SourceFile } from '../protocol/engine.ts';
import type { NetnsView, RuleChainView } from '../protocol/view.ts';

/** What crosses the worker boundary: plain data, every request answered once under its `id`. */
export type Request =
  | { readonly id: number; readonly type: 'load'; readonly files: readonly SourceFile[] }
  | { readonly id: number; readonly type: 'input'; readonly input: Input }
  | { readonly id: number; readonly type: 'inspect'; readonly netns: string }
  | { readonly id: number; readonly type: 'inputs' }
  | { readonly id: number; readonly type: 'ruleChains'; readonly netns: string }
  | { readonly id: number; readonly type: 'ruleChain'; readonly netns: string; readonly chain: RuleChainName }
  | { readonly id: number; readonly type: 'outcomes'; readonly send: Extract<Input, { type: 'send' }> };

type Answer =
  | LoadAnswer
  | InputAnswer
  | NetnsView
  | readonly Input[]
  | readonly RuleChainName[]
  | RuleChainView
  | PossibleOutcomes
  | undefined;

export type Response =
  | { readonly id: number; readonly type: 'answer'; readonly value: Answer }
  | { readonly id: number; readonly type: 'crash'; readonly message: string }
  | { readonly type: 'batch'; readonly batch: Batch };

/** The part of a Worker or MessagePort that both ends use. */
export interface Port {
  postMessage(message: unknown): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
}
