// Names of message groups and what is known of each, as long as there is something to know.
//
// A group is called by a small number in between, so that a message need not carry its name. Numbers are used again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace weir::queue::core {

using GroupNo = uint32_t;

// `Group` has a std::string `name`.
template <typename Group>
class GroupTable {
 public:
  size_t size() const { return numbers_.size(); }

  // Brings it into being where it is new.
  GroupNo Intern(absl::string_view name) {
    const auto it = numbers_.find(name);
    if (it != numbers_.end()) return it->second;
    const GroupNo number = Allocate();
    groups_[number] = std::make_unique<Group>();
    groups_[number]->name = std::string(name);
    numbers_.emplace(groups_[number]->name, number);
    return number;
  }

  // REQUIRES: the group is there.
  Group& operator[](GroupNo number) { return *groups_[number]; }
  const Group& operator[](GroupNo number) const { return *groups_[number]; }

  // Null: there is no such group.
  const Group* Find(absl::string_view name) const {
    const auto it = numbers_.find(name);
    return it == numbers_.end() ? nullptr : groups_[it->second].get();
  }
  bool Has(GroupNo number) const { return number < groups_.size() && groups_[number] != nullptr; }

  void Forget(GroupNo number) {
    numbers_.erase(groups_[number]->name);
    groups_[number].reset();
    free_.push_back(number);
    if (numbers_.empty()) *this = {};
  }

  template <typename Visitor>
  void ForEach(Visitor visit) const {
    for (GroupNo number = 0; number < groups_.size(); ++number) {
      if (groups_[number] != nullptr) visit(number, *groups_[number]);
    }
  }

 private:
  GroupNo Allocate() {
    if (free_.empty()) {
      groups_.emplace_back();
      return static_cast<GroupNo>(groups_.size() - 1);
    }
    const GroupNo number = free_.back();
    free_.pop_back();
    return number;
  }

  std::vector<std::unique_ptr<Group>> groups_;  // by number; null: free
  std::vector<GroupNo> free_;
  absl::flat_hash_map<absl::string_view, GroupNo> numbers_;  // the names stand in the groups
};

}  // namespace weir::queue::core
