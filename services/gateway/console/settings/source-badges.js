// Where each value comes from, and the way back to the value of without it.
import { element } from '../dom.js';

export function sourceBadges(settings, onReset) {
  const reset = new Set();
  const parts = new Map(settings.map(({ path }) => [path, make(path)]));
  let overrides = new Set();
  let ofAll = true;

  function make(path) {
    const place = document.querySelector(`[data-setting="${path}"]`);
    const badge = element('span', { className: 'badge' });
    const back = element('button', { type: 'button', className: 'quiet small' });
    const line = element('div', { className: 'source' }, badge, back);
    // Within a fieldset the legend has to stay first.
    const legend = place.querySelector(':scope > legend');
    if (legend === null) place.prepend(line);
    else legend.after(line);
    back.addEventListener('click', () => {
      if (reset.has(path)) reset.delete(path);
      else reset.add(path);
      onReset();
    });
    return { place, badge, back };
  }

  function note(changed) {
    for (const [path, { place, badge, back }] of parts) {
      const isReset = reset.has(path);
      // These two have no other value than the one that is set.
      const isOwn = path === 'stagingProxy' || path === 'replicationServerBandwidth' ? false : overrides.has(path);
      badge.textContent = words(isReset, changed.has(path), isOwn);
      badge.classList.toggle('changed', changed.has(path));
      badge.hidden = badge.textContent === '';
      back.hidden = !isOwn;
      back.textContent = isReset ? 'Keep it' : ofAll ? 'Back to the default' : 'As for all machines';
      for (const control of place.querySelectorAll('input, select, textarea, button')) {
        if (control !== back) control.toggleAttribute('inert', isReset);
      }
      place.classList.toggle('reset', isReset);
    }
  }

  function words(isReset, isChanged, isOwn) {
    if (isReset) return ofAll ? 'will be the default again' : 'will be as for all machines';
    if (isChanged) return 'changed, not saved';
    if (isOwn) return ofAll ? 'set here' : 'own setting';
    return '';
  }

  return {
    show: (own, all) => {
      reset.clear();
      overrides = own;
      ofAll = all;
      note(new Set());
    },
    isReset: (path) => reset.has(path),
    note,
  };
}
