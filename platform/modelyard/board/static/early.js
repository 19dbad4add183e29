// Before the first paint, so that nobody sees the wrong colours flash.
(() => {
  const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const asked = new URLSearchParams(location.search);
  const theme = asked.get('theme') || kept('theme') || 'auto';
  const dark = theme === 'auto' ? matchMedia('(prefers-color-scheme: dark)').matches : theme === 'dark';
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  if ((asked.get('big') ?? kept('big')) === '1') document.documentElement.dataset.big = '';
})();
