import { packLink } from '../../scenario/link.ts';
import { useDraft } from '../manifests/draft-store.ts';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';

/**
 * Loads a scenario that comes with the project. The address of what was loaded before stays in the browser's
 * history, so that Back brings it back. Answers why not, where it cannot be opened.
 */
export async function openScenario(name: string): Promise<string | undefined> {
  let text: string;
  try {
    const response = await fetch(`./scenarios/${name}.yaml`);
    if (!response.ok)
      return `The scenario could not be read: the server answers ${response.status}. Load the page again and try once more.`;
    text = await response.text();
  } catch {
    return 'The scenario could not be read: the server does not answer. Check the connection and try again.';
  }
  const { files: before, load } = useLab.getState();
  const files = [{ name: `${name}.yaml`, text }];
  if (!(await load(files))) return useLab.getState().problems[0]?.message ?? 'The scenario was refused.';
  try {
    history.replaceState(null, '', `#${packLink(before)}`);
    history.pushState(null, '', `#${packLink(files)}`);
  } catch {
    // A browser that refuses so long an address has no way back; what was opened is open all the same.
  }
  useDraft.setState({ files: undefined });
  useScreen.getState().showStage('map');
  useScreen.getState().close();
  return undefined;
}
