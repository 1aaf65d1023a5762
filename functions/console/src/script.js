// Sends a file to S3 and shows how far it is, and shows how far an import is. Without this script both pages work: a form sends the
// file, and a link shows the page of an import again.
'use strict';
(() => {
  /** How long a page of a running import is shown before it is looked at again. */
  const PAUSE = 2000;

  const find = (id) => document.getElementById(id);
  const show = (id, shown) => {
    const element = find(id);
    if (element) element.hidden = !shown;
  };
  const read = async (response) => new DOMParser().parseFromString(await response.text(), 'text/html');

  /** What a screen reader reads out when it changes. It stays when the content is replaced. */
  const said = document.createElement('p');
  said.className = 'unseen';
  said.setAttribute('role', 'status');
  document.body.append(said);

  /** How to find the element again that has the focus, in another version of the content. */
  const focused = () => {
    const element = document.activeElement;
    if (!element?.closest('main')) return null;
    if (element.id) return `#${CSS.escape(element.id)}`;
    return element.hasAttribute('href') ? `main a[href="${CSS.escape(element.getAttribute('href'))}"]` : 'main';
  };

  /** Shows the content of another page instead of this one's. The keyboard stays where it was. */
  const become = (page) => {
    const place = focused();
    document.querySelector('main').replaceWith(document.adoptNode(page.querySelector('main')));
    document.title = page.title;
    if (place) {
      const main = document.querySelector('main');
      main.tabIndex = -1;
      (document.querySelector(place) ?? main).focus({ preventScroll: true });
    }
    const state = document.querySelector('#live dd')?.textContent;
    if (state && said.textContent !== state) said.textContent = state;
    start();
  };

  /** Sends a file with the fields of its form, but for the page that would follow: the script stays here until the file has arrived. */
  const send = (form, file) => new Promise((arrived, failed) => {
    const own = { policy: form.dataset.policy, 'x-amz-signature': form.dataset.signature };
    const data = new FormData();
    for (const { name, value } of form.querySelectorAll('input[type=hidden]')) {
      if (name !== 'success_action_redirect') data.append(name, own[name] ?? value);
    }
    data.append('file', file);
    const request = new XMLHttpRequest();
    const bar = find('bar');
    request.upload.addEventListener('progress', ({ loaded, total }) => {
      bar.max = total;
      bar.value = loaded;
    });
    request.addEventListener('load', () => (request.status === 204 ? arrived() : failed(new Error('refused'))));
    request.addEventListener('error', () => failed(new Error('lost')));
    request.open('POST', form.getAttribute('action'));
    request.send(data);
  });

  /** Does the work of a form, and says that it is under way or has failed. */
  const work = async (form, task) => {
    const button = form.querySelector('button');
    button.disabled = true;
    show('failed', false);
    show('sending', true);
    try {
      await task();
    } catch {
      button.disabled = false;
      show('failed', true);
    }
    show('sending', false);
  };

  /** A new upload: the registry names the place, and the file goes there at once. */
  const prepareUpload = (form) => {
    show('choose', true);
    show('name', false);
    const input = find('file');
    const button = form.querySelector('button');
    input.required = true;
    button.textContent = button.dataset.script;
    form.addEventListener('submit', (event) => {
      const [file] = input.files;
      event.preventDefault();
      work(form, async () => {
        form.elements.file_name.value = file.name;
        const answer = await fetch(form.getAttribute('action'), { method: 'POST', body: new URLSearchParams(new FormData(form)) });
        const page = await read(answer);
        const place = page.getElementById('send');
        if (!place) return become(page);
        await send(place, file);
        return location.assign(place.dataset.then);
      });
    });
  };

  /** The place of one file. */
  const prepareSend = (form) => form.addEventListener('submit', (event) => {
    // The second time without the script: S3 then says what is wrong.
    if (form.dataset.failed) return;
    event.preventDefault();
    work(form, async () => {
      form.dataset.failed = 'yes';
      await send(form, find('file').files[0]);
      location.assign(form.dataset.then);
    });
  });

  /** A file that is dropped counts as chosen. */
  const prepareDrop = (area) => {
    area.addEventListener('dragover', (event) => event.preventDefault());
    area.addEventListener('drop', (event) => {
      event.preventDefault();
      if (event.dataTransfer.files.length === 1) find('file').files = event.dataTransfer.files;
    });
  };

  /** Looks at the page of a running import again. */
  const refresh = () => setTimeout(async () => {
    try {
      const answer = await fetch(location.href);
      // The session has ended: its page is shown whole.
      if (answer.redirected) return location.assign(answer.url);
      // A registry that is busy answers the next time.
      if (!answer.ok) return refresh();
      const page = await read(answer);
      if (page.querySelector('main').innerHTML !== document.querySelector('main').innerHTML) return become(page);
    } catch {
      // The next time.
    }
    return refresh();
  }, PAUSE);

  const start = () => {
    const on = (id, prepare) => {
      const element = find(id);
      if (element) prepare(element);
    };
    on('upload', prepareUpload);
    on('send', prepareSend);
    on('choose', prepareDrop);
    if (find('live')?.dataset.refresh) refresh();
  };
  start();
})();
