// Stands in for the objects of Windows that Wine lacks and records in C:\objects.txt what is asked of them.
var GROUPS = {
  'S-1-5-32-544': 'Administratoren',
  'S-1-5-32-545': 'Benutzer',
  'S-1-5-32-547': 'Hauptbenutzer'
};
var joinsToFail = 2;

function record() {
  var words = [];
  for (var i = 0; i < arguments.length; i++) words.push(escape(String(arguments[i])));
  var stream = new ActiveXObject('Scripting.FileSystemObject').OpenTextFile('C:\\objects.txt', 8, true, 0);
  stream.WriteLine(words.join(' '));
  stream.Close();
}

function User(name) {
  this.ADsPath = 'WinNT://GROUP/PC/' + name;
  this.SetPassword = function (password) {
    record('password', name, password);
  };
  this.SetInfo = function () {
    record('save', name, this.FullName || '', this.AccountDisabled);
  };
}

var computer = {
  GetObject: function (kind, name) {
    if (name !== 'here already') throw new Error('no such user');
    return new User(name);
  },
  Create: function (kind, name) {
    record('create', kind, name);
    return new User(name);
  }
};

function Group(path) {
  this.IsMember = function (member) {
    return member === 'WinNT://GROUP/PC/here already';
  };
  this.Add = function (member) {
    record('add', path, member);
  };
}

var CARDS = {
  '52:54:00:00:00:0A': { NetConnectionID: 'LAN-Verbindung \u00e4 & 100%', Index: 7 },
  '52:54:00:00:00:0B': { NetConnectionID: 'Ethernet 2', Index: 8 }
};

var wmiService = {
  Get: function (path) {
    return { AccountName: GROUPS[/'(.*)'/.exec(path)[1]] };
  },
  ExecQuery: function (query) {
    record('query', query);
    var mac = /MACAddress='(.*)'/.exec(query);
    if (mac) return CARDS[mac[1]] ? [{ NetConnectionID: null }, CARDS[mac[1]]] : [];
    var index = /Index=(\d+)$/.exec(query);
    if (index) return [{ SettingID: '{0000000' + index[1] + '}' }];
    return [
      {
        JoinDomainOrWorkgroup: function (domain, password, user, ou, flags) {
          record('join', domain, password, user, ou, flags);
          return joinsToFail-- > 0 ? 1355 : 0;
        }
      }
    ];
  }
};

function GetObject(path) {
  if (path === 'WinNT://.,computer') return computer;
  if (/^winmgmts:/.test(path)) return wmiService;
  return new Group(path);
}

function Enumerator(list) {
  var at = 0;
  this.atEnd = function () {
    return at >= list.length;
  };
  this.moveNext = function () {
    at++;
  };
  this.item = function () {
    return list[at];
  };
}
